//! Whose spans these are: the plugin on its node, and what the operator adds.

use timeline::timeline::Timeline;

use super::Attributes;

/// What the operator says of all spans.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Naming {
    /// In place of the plugin's name.
    pub service: Option<String>,
    /// More attributes.
    pub attributes: Vec<(String, String)>,
}

/// Whose spans these are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    /// `service.name`
    pub service: String,
    /// The others.
    pub attributes: Attributes,
}

const UNKNOWN: &str = "unknown_service:proxy_wasm";

impl Naming {
    /// The service of a plugin.
    pub fn service_of(&self, plugin: &str) -> String {
        match &self.service {
            Some(service) => service.clone(),
            None if plugin.is_empty() => UNKNOWN.to_owned(),
            None => plugin.to_owned(),
        }
    }

    /// The plugin of a service; inside None: all of them. None: there is no such service.
    pub fn plugin_of(&self, service: &str) -> Option<Option<String>> {
        match &self.service {
            Some(name) => (name == service).then_some(None),
            None if service == UNKNOWN => Some(Some(String::new())),
            None => Some(Some(service.to_owned())),
        }
    }

    /// Reads `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`; what is not `key=value` is left out, as
    /// OpenTelemetry's specification wants it.
    pub fn from_environment(read: impl Fn(&str) -> Option<String>) -> Naming {
        let given = |name| read(name).filter(|value| !value.is_empty());
        let listed = given("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        let mut naming = Naming::default();
        for pair in listed.split(',') {
            let Some((key, value)) = pair.split_once('=') else { continue };
            let (key, value) = (key.trim(), decoded(value.trim()));
            match key {
                "" => {}
                "service.name" => naming.service = Some(value).filter(|name| !name.is_empty()),
                _ => naming.attributes.push((key.to_owned(), value)),
            }
        }
        naming.service = given("OTEL_SERVICE_NAME").or(naming.service);
        naming
    }
}

/// Percent signs with two hex digits are bytes.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = hex
            .filter(|two| *first == b'%' && two.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Resource {
    /// Of a timeline. What is known of its node wins: the operator's attributes may be those of the
    /// collector's own pod.
    pub fn of(timeline: &Timeline, naming: &Naming) -> Resource {
        let mut attributes = Attributes::default();
        for (key, value) in &naming.attributes {
            attributes.set(key.clone(), value.as_str());
        }
        attributes.set_text("proxy_wasm.plugin.name", &timeline.root.plugin);
        attributes.set_text("service.instance.id", &timeline.node);
        if let Some((pod, namespace)) = pod(&timeline.node) {
            attributes.set("k8s.pod.name", pod);
            attributes.set("k8s.namespace.name", namespace);
        }
        Resource { service: naming.service_of(&timeline.root.plugin), attributes }
    }
}

/// Pod and namespace in a node id of Istio's form, which Higress has too:
/// `router~10.0.0.1~POD.NAMESPACE~NAMESPACE.svc.cluster.local`.
fn pod(node: &str) -> Option<(&str, &str)> {
    let mut parts = node.split('~');
    let (_, _, id, _) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (pod, namespace) = id.rsplit_once('.')?;
    (parts.next().is_none() && !pod.is_empty() && !namespace.is_empty()).then_some((pod, namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_read_from_node_ids_of_istio_and_from_no_others() {
        let node = "router~10.1.2.3~higress-gateway-5c9~x.higress-system~higress-system.svc";
        assert_eq!(pod(node), None);
        let node =
            "router~10.1.2.3~higress-gateway-5c9.higress-system~higress-system.svc.cluster.local";
        assert_eq!(pod(node), Some(("higress-gateway-5c9", "higress-system")));
        assert_eq!(pod("envoy-1"), None);
        assert_eq!(pod(""), None);
    }

    #[test]
    fn the_environment_names_services_and_adds_attributes() {
        let read = |name: &str| match name {
            "OTEL_RESOURCE_ATTRIBUTES" => {
                Some("service.name=a, team = edge%2Cone ,broken,=x,cut=%4".to_owned())
            }
            _ => None,
        };
        let naming = Naming::from_environment(read);
        assert_eq!(naming.service_of("plugin"), "a");
        let attributes = [("team", "edge,one"), ("cut", "%4")];
        assert_eq!(naming.attributes, attributes.map(|(k, v)| (k.to_owned(), v.to_owned())));
        let both = Naming::from_environment(|name| {
            if name == "OTEL_SERVICE_NAME" { Some("b".to_owned()) } else { read(name) }
        });
        assert_eq!(both.service_of("plugin"), "b");
        let none = Naming::from_environment(|_| Some(String::new()));
        assert_eq!(none, Naming::default());
        assert_eq!(none.service_of("plugin"), "plugin");
        assert_eq!(none.service_of(""), UNKNOWN);
    }
}
