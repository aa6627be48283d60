//! `docker-compose.yml` without an engine: what `docker compose` makes of it, and what it must hold.
//! That it runs is shown in `topology.rs`.

use std::collections::BTreeSet;

use deploy::compose::{Compose, Service, Volume};
use deploy::{output, text, tool};

#[test]
fn hadolint_has_nothing_to_say_of_the_dockerfiles() {
    for file in ["deploy/Dockerfile", "deploy/Dockerfile.release"] {
        let said = output(tool("HADOLINT").args(["--failure-threshold", "style", file]));
        assert_eq!(said, "");
    }
}

#[test]
fn the_dockerfile_builds_with_the_pinned_toolchain() {
    let pinned = text("rust-toolchain.toml");
    let channel = pinned.lines().find_map(|line| line.strip_prefix("channel = "));
    let channel = channel.expect("a channel").trim_matches('"');
    let dockerfile = text("deploy/Dockerfile");
    assert!(dockerfile.contains(&format!("FROM rust:{channel}-alpine AS rust\n")), "{channel}");
    assert!(dockerfile.contains(&format!("ENV RUSTUP_TOOLCHAIN={channel}\n")), "{channel}");
}

#[test]
fn what_is_ours_is_built_and_what_is_not_is_pinned() {
    let dockerfile = text("deploy/Dockerfile");
    let compose = Compose::read();
    for (name, service) in &compose.services {
        match &service.target {
            Some(target) => {
                let stage = format!(" AS {target}\n");
                assert!(dockerfile.contains(&stage), "{name}: the Dockerfile has no {target}");
            }
            None if service.image.starts_with("wasm-tracer") => {
                let built =
                    |other: &Service| other.target.is_some() && other.image == service.image;
                assert!(
                    compose.services.values().any(built),
                    "{name}: nobody builds {}",
                    service.image
                );
            }
            None => {
                let (_, tag) = service.image.rsplit_once(':').unwrap_or_default();
                let digits =
                    tag.trim_start_matches('v').split('.').filter(|p| p.parse::<u32>().is_ok());
                assert_eq!(digits.count(), 3, "{name}: {} is not pinned", service.image);
            }
        }
    }
}

#[test]
fn ports_are_published_on_this_machine_only_and_are_in_both_readmes() {
    let readmes = [text("README.md"), text("README.zh-CN.md")];
    let compose = Compose::read();
    let mut published = BTreeSet::new();
    for (name, service) in &compose.services {
        for (address, port) in &service.ports {
            assert_eq!(address, "127.0.0.1", "{name}");
            assert!(published.insert(*port), "{name}: {port} is published twice");
            let words = format!("`127.0.0.1:{port}`");
            assert!(readmes.iter().all(|readme| readme.contains(&words)), "{name}: {words}");
        }
    }
    assert_eq!(published.len(), 5, "{published:?}");
}

#[test]
fn what_is_mounted_exists() {
    for (name, service) in &Compose::read().services {
        for (from, _) in &service.volumes {
            if let Volume::Bind(path) = from {
                assert!(path.exists(), "{name} mounts {}, which does not exist", path.display());
            }
        }
    }
}

#[test]
fn both_gateways_have_one_configuration_and_each_a_plugin_of_its_own_at_one_path() {
    let compose = Compose::read();
    let gateways = ["higress", "envoy"].map(|name| &compose.services[name]);
    let binds = gateways.map(|gateway| {
        let binds = gateway.volumes.iter().filter_map(|(from, seen)| match from {
            Volume::Bind(path) => Some((path.clone(), seen.clone())),
            Volume::Named(_) => None,
        });
        binds.collect::<Vec<_>>()
    });
    assert_eq!(binds[0], binds[1]);
    let plugins = gateways.map(|gateway| {
        let mut named = gateway.volumes.iter().filter_map(|(from, seen)| match from {
            Volume::Named(name) => Some((name.clone(), seen.clone())),
            Volume::Bind(_) => None,
        });
        named.next().expect("a plugin")
    });
    assert_eq!(plugins[0].1, plugins[1].1);
    assert_ne!(plugins[0].0, plugins[1].0);
}

#[test]
fn nobody_signs_in_to_grafana_and_anyone_may_look() {
    let environment = &Compose::read().services["grafana"].environment;
    let said = |name: &str| environment.get(name).map(String::as_str);
    assert_eq!(said("GF_AUTH_ANONYMOUS_ENABLED"), Some("true"));
    assert_eq!(said("GF_AUTH_ANONYMOUS_ORG_ROLE"), Some("Viewer"));
    assert_eq!(said("GF_AUTH_DISABLE_LOGIN_FORM"), Some("true"));
    assert_eq!(said("GF_AUTH_BASIC_ENABLED"), Some("false"));
    assert_eq!(said("GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"), Some("true"));
}
