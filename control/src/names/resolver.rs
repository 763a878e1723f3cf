//! What DNS says, by way of `hickory-resolver`: which no other module knows.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures_util::future::join_all;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::{Name, RData, Record, RecordType},
};
use tokio::time::timeout;
use undertone_control_core::trunk::{Answer, Lookup, Server};

/// How long a server may take to answer, and how often it is asked again.
const PATIENCE: Duration = Duration::from_millis(1500);
const AGAIN: usize = 1;
/// How long all questions about a name may take together.
const ALL: Duration = Duration::from_secs(10);
/// Servers of a name that are looked up; those beyond, of the least priority, are left out.
const SERVERS_MAX: usize = 16;

/// Who asks. It keeps nothing.
pub(super) struct Resolver(Result<TokioResolver, String>);

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// What there is.
    pub(super) answer: Answer,
    /// How long it is good for.
    pub(super) age: Duration,
    /// Why not all of it was found.
    pub(super) missing: Option<String>,
}

impl Resolver {
    /// Asks these servers, or those of the system, which knows hosts of its own as well.
    pub(super) fn new(servers: &[SocketAddr]) -> Self {
        let builder = if servers.is_empty() {
            TokioResolver::builder_tokio()
        } else {
            let servers = servers.iter().copied().map(server).collect();
            let config = ResolverConfig::from_name_servers(servers);
            Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
        };
        let built = builder.and_then(|mut builder| {
            let options = builder.options_mut();
            (options.timeout, options.attempts, options.cache_size) = (PATIENCE, AGAIN, 0);
            options.use_hosts_file = if servers.is_empty() { ResolveHosts::Always } else { ResolveHosts::Never };
            builder.build()
        });
        Self(built.map_err(|error| format!("the system's DNS configuration cannot be used: {error}")))
    }

    /// What there is of a name; an error where there is nothing, or nobody to say so.
    pub(super) async fn look_up(&self, lookup: &Lookup) -> Result<Found, String> {
        let resolver = self.0.as_ref().map_err(Clone::clone)?;
        timeout(ALL, look_up(resolver, lookup)).await.map_err(|_| "no DNS server answers".to_owned())?
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

async fn look_up(resolver: &TokioResolver, lookup: &Lookup) -> Result<Found, String> {
    let (itself, servers) = tokio::join!(hosts(resolver, &lookup.name), servers(resolver, lookup));
    let mut servers = servers?;
    let itself = match itself {
        Ok(itself) => itself,
        // Who names its servers needs no address of its own.
        Err(why) if !servers.all.is_empty() => {
            servers.missing.get_or_insert(why);
            Hosts::default()
        }
        Err(why) => return Err(why),
    };
    let mut answer = Answer { servers: servers.all, addresses: itself.addresses };
    answer.sort();
    if answer.is_empty() {
        return Err(servers.missing.unwrap_or_else(|| "it has no address".into()));
    }
    let age = itself.age.into_iter().chain(servers.age).min().unwrap_or_default();
    Ok(Found { answer, age, missing: servers.missing })
}

/// Addresses of a host, and how long they are good for.
#[derive(Default)]
struct Hosts {
    addresses: Vec<IpAddr>,
    age: Option<Duration>,
}

async fn hosts(resolver: &TokioResolver, name: &str) -> Result<Hosts, String> {
    let (v4, v6) = tokio::join!(records(resolver, name, RecordType::A), records(resolver, name, RecordType::AAAA));
    let mut hosts = Hosts::default();
    for record in [&v4, &v6].into_iter().flatten().flatten() {
        let address = match &record.data {
            RData::A(v4) => IpAddr::V4(**v4),
            RData::AAAA(v6) => IpAddr::V6(**v6),
            _ => continue,
        };
        hosts.addresses.push(address);
        hosts.age = hosts.age.into_iter().chain([age(record)]).min();
    }
    // There are servers that answer for one IP version alone, and fail for the other (RFC 4074).
    if hosts.addresses.is_empty() {
        v4.and(v6)?;
    }
    Ok(hosts)
}

/// Servers that SRV records name, and how long they are good for.
#[derive(Default)]
struct Servers {
    all: Vec<Server>,
    age: Option<Duration>,
    /// Why the addresses of one could not be found.
    missing: Option<String>,
}

async fn servers(resolver: &TokioResolver, lookup: &Lookup) -> Result<Servers, String> {
    let Some(name) = lookup.srv() else { return Ok(Servers::default()) };
    let records = records(resolver, &name, RecordType::SRV).await?;
    let mut named: Vec<_> = records.iter().filter_map(|it| Some((it, service(&it.data)?))).collect();
    // RFC 2782: a target of "." says that there is no such service.
    if named.len() == 1 && named.iter().all(|(_, (_, host))| host.is_root()) {
        return Err(format!("{name} says that the service is not there"));
    }
    named.sort_by_key(|(_, (server, _))| server.priority);
    named.truncate(SERVERS_MAX);
    let found = join_all(named.iter().map(|(_, (_, host))| {
        let host = host.to_ascii();
        async move { (hosts(resolver, host.trim_end_matches('.')).await, host) }
    }))
    .await;
    let mut servers = Servers::default();
    for ((record, (server, _)), (found, host)) in named.into_iter().zip(found) {
        let ages = servers.age.into_iter().chain([age(record)]);
        match found {
            Ok(hosts) => {
                servers.age = ages.chain(hosts.age).min();
                servers.all.push(Server { addresses: hosts.addresses, ..server });
            }
            Err(why) => {
                servers.age = ages.min();
                servers.missing = Some(format!("{host} {why}"));
            }
        }
    }
    Ok(servers)
}

/// A server, without its addresses, and its name.
fn service(data: &RData) -> Option<(Server, Name)> {
    let RData::SRV(srv) = data else { return None };
    let server = Server { priority: srv.priority, weight: srv.weight, port: srv.port, addresses: Vec::new() };
    Some((server, srv.target.clone()))
}

/// The records of one kind that a name has; none where it is known to have none.
async fn records(resolver: &TokioResolver, name: &str, kind: RecordType) -> Result<Vec<Record>, String> {
    // The dot at its end keeps the system's search list out.
    let name = Name::from_ascii(format!("{name}.")).map_err(|error| error.to_string())?;
    match resolver.lookup(name, kind).await {
        Ok(found) => Ok(found.answers().to_vec()),
        Err(error) if error.is_no_records_found() => Ok(Vec::new()),
        Err(NetError::Timeout) => Err("no DNS server answers".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn age(record: &Record) -> Duration {
    Duration::from_secs(record.ttl.into())
}
