//! A compose file's services as processes of this machine: the same programs, arguments,
//! environments and configuration files, with only hosts, ports and paths put in place of those that
//! the containers would see.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context;
use e2e::Guarded;
use serde_json::Value;

use crate::compose::{Compose, Volume};

/// Where the services of a compose file are found on this machine.
pub struct Native {
    compose: Compose,
    folder: tempfile::TempDir,
    /// By service and port.
    addresses: BTreeMap<(String, u16), SocketAddr>,
}

impl Native {
    /// Nothing runs yet.
    ///
    /// # Errors
    /// When no folder can be made.
    pub fn new(compose: Compose) -> anyhow::Result<Self> {
        Ok(Self { compose, folder: tempfile::tempdir()?, addresses: BTreeMap::new() })
    }

    /// Where a port of a service is.
    ///
    /// # Errors
    /// When no port is free.
    pub fn address(&mut self, service: &str, port: u16) -> anyhow::Result<SocketAddr> {
        let key = (service.to_owned(), port);
        if let Some(address) = self.addresses.get(&key) {
            return Ok(*address);
        }
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        self.addresses.insert(key, address);
        Ok(address)
    }

    /// The command line of a service: `env NAME=VALUE … program arguments …`. `program` is what the
    /// image would start; `image` says where what lies in the image is here.
    ///
    /// # Errors
    /// When a configuration file cannot be read or written.
    pub fn command(
        &mut self,
        name: &str,
        program: &Path,
        image: &[(&str, PathBuf)],
    ) -> anyhow::Result<Vec<OsString>> {
        let service = self.compose.services.get(name).with_context(|| format!("no {name}"))?;
        let (command, environment) = (service.command.clone(), service.environment.clone());
        let places = self.places(name, image)?;
        let mut line: Vec<OsString> = vec!["/usr/bin/env".into()];
        for (variable, value) in environment {
            line.push(format!("{variable}={}", self.here(name, &value, &places)?).into());
        }
        line.push(program.into());
        for argument in command {
            line.push(self.here(name, &argument, &places)?.into());
        }
        Ok(line)
    }

    /// Starts a command line; its folder holds what it prints.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(&self, command: &[OsString]) -> anyhow::Result<Guarded> {
        let folder = tempfile::Builder::new().prefix("wasm-tracer-compose").tempdir()?.keep();
        let command: Vec<_> = command.iter().map(OsString::as_os_str).collect();
        Guarded::start(folder, &command)
    }

    /// Where what a container sees is on this machine; configuration files are rewritten.
    fn places(
        &mut self,
        name: &str,
        image: &[(&str, PathBuf)],
    ) -> anyhow::Result<Vec<(String, PathBuf)>> {
        let service = self.compose.services.get(name).with_context(|| format!("no {name}"))?;
        let volumes = service.volumes.clone();
        let mut places: Vec<(String, PathBuf)> =
            image.iter().map(|(seen, here)| ((*seen).to_owned(), here.clone())).collect();
        for (from, seen) in &volumes {
            let here = match from {
                Volume::Bind(path) => path.clone(),
                Volume::Named(volume) => self.folder.path().join("volumes").join(volume),
            };
            if let Volume::Named(_) = from {
                std::fs::create_dir_all(&here)?;
            }
            places.push((seen.clone(), here));
        }
        // A file may name what is mounted elsewhere, so that all places are known first.
        let known = places.clone();
        for (seen, here) in &mut places {
            if here.is_file() && here.extension().is_some_and(|end| end == "yaml" || end == "yml") {
                let mut file: Value = serde_yaml_ng::from_str(&std::fs::read_to_string(&*here)?)?;
                self.rewrite(name, &mut file, &known)?;
                let copy = format!("{name}{}", seen.replace('/', "-"));
                *here = self.folder.path().join(copy);
                std::fs::write(&*here, serde_json::to_vec_pretty(&file)?)?;
            }
        }
        Ok(places)
    }

    fn rewrite(
        &mut self,
        service: &str,
        value: &mut Value,
        places: &[(String, PathBuf)],
    ) -> anyhow::Result<()> {
        if let Some(address) = value.get_mut("socket_address") {
            let host = address["address"].as_str().unwrap_or_default().to_owned();
            let port = address["port_value"].as_u64().unwrap_or_default() as u16;
            let here = self.of_host(service, &host, port)?.context("an address of nobody")?;
            address["address"] = here.ip().to_string().into();
            address["port_value"] = here.port().into();
            return Ok(());
        }
        match value {
            Value::String(text) => *text = self.here(service, text, places)?,
            Value::Array(items) => {
                for item in items {
                    self.rewrite(service, item, places)?;
                }
            }
            Value::Object(fields) => {
                for field in fields.values_mut() {
                    self.rewrite(service, field, places)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// `text` with a path or a `HOST:PORT`, as it is on this machine.
    fn here(
        &mut self,
        service: &str,
        text: &str,
        places: &[(String, PathBuf)],
    ) -> anyhow::Result<String> {
        for (seen, here) in places {
            if let Some(rest) = text.strip_prefix(seen.as_str())
                && (rest.is_empty() || rest.starts_with('/'))
            {
                return Ok(format!("{}{rest}", here.display()));
            }
        }
        if let Some((flag, value)) = text.split_once('=').filter(|(flag, _)| flag.starts_with("--"))
        {
            return Ok(format!("{flag}={}", self.here(service, value, places)?));
        }
        let Some((host, port)) = text.rsplit_once(':') else { return Ok(text.to_owned()) };
        let Ok(port) = port.parse() else { return Ok(text.to_owned()) };
        let here = self.of_host(service, host, port)?;
        Ok(here.map_or_else(|| text.to_owned(), |address| address.to_string()))
    }

    /// Where a port of a host is, as a service sees it: 0.0.0.0 is the service itself.
    fn of_host(
        &mut self,
        service: &str,
        host: &str,
        port: u16,
    ) -> anyhow::Result<Option<SocketAddr>> {
        let whose = if host == "0.0.0.0" { Some(service) } else { self.compose.named(host) };
        let whose = whose.map(str::to_owned);
        whose.map(|whose| self.address(&whose, port)).transpose()
    }
}
