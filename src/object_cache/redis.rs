//! A Redis server: log in, delete keys and fields of hashes.

use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, TlsCertificates, Value,
};

use super::{CacheError, RedisPlace, RedisServer, TIMEOUT};
use crate::wordpress::object_cache::StoredKey;

fn failed(server: &RedisServer, error: &redis::RedisError) -> CacheError {
    let place = &server.place;
    if error.is_timeout() {
        let seconds = TIMEOUT.as_secs();
        return CacheError(format!("the Redis server at {place} did not answer within {seconds} seconds"));
    }
    // The server's own sentence ("NOAUTH Authentication required."); none repeats a password.
    let reason = match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    };
    CacheError(format!("the Redis server at {place} cannot be used ({})", reason.trim_end_matches('.')))
}

/// Connects, logs in, selects the database and pings.
pub(super) fn connect(server: &RedisServer) -> Result<redis::Connection, CacheError> {
    let failed = |error: redis::RedisError| failed(server, &error);
    let client = client(server)?;
    let mut connection = client.get_connection_with_timeout(TIMEOUT).map_err(failed)?;
    connection.set_read_timeout(Some(TIMEOUT)).map_err(failed)?;
    connection.set_write_timeout(Some(TIMEOUT)).map_err(failed)?;
    redis::cmd("PING").query::<()>(&mut connection).map_err(failed)?;
    Ok(connection)
}

fn client(server: &RedisServer) -> Result<Client, CacheError> {
    let failed = |error: redis::RedisError| failed(server, &error);
    let (address, authorities) = match &server.place {
        RedisPlace::Socket(path) => (ConnectionAddr::Unix(path.clone()), None),
        RedisPlace::Tcp { host, port, tls: false, .. } => (ConnectionAddr::Tcp(host.clone(), *port), None),
        RedisPlace::Tcp { host, port, tls: true, ca } => {
            // One provider in the whole program; an error means that it is installed already.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let address =
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None };
            let authorities = match ca {
                Some(file) => Some(std::fs::read(file).map_err(|error| {
                    CacheError(format!("the authorities' file {} cannot be read ({error})", file.display()))
                })?),
                None => None,
            };
            (address, authorities)
        }
    };
    let mut login = RedisConnectionInfo::default().set_db(server.database).set_skip_set_lib_name();
    if !server.username.is_empty() {
        login = login.set_username(&server.username);
    }
    if !server.password.is_empty() {
        let password = std::str::from_utf8(server.password.expose()).map_err(|_| {
            CacheError(format!("the password of the Redis server at {} is not UTF-8", server.place))
        })?;
        login = login.set_password(password);
    }
    let info: ConnectionInfo = address.into_connection_info().map_err(failed)?.set_redis_settings(login);
    match authorities {
        Some(root_cert) => {
            let certificates = TlsCertificates { client_tls: None, root_cert: Some(root_cert) };
            Client::build_with_tls(info, certificates).map_err(failed)
        }
        None => Client::open(info).map_err(failed),
    }
}

/// Deletes keys and fields, all in one round trip.
pub(super) fn forget(
    connection: &mut redis::Connection,
    server: &RedisServer,
    stored: &[StoredKey],
) -> Result<(), CacheError> {
    let answers = ask(connection, server, stored, ["DEL", "HDEL"])?;
    match answers.into_iter().find_map(|answer| answer.extract_error().err()) {
        Some(error) => Err(failed(server, &error)),
        None => Ok(()),
    }
}

/// Whether one of those is there, or nothing at all. A server that does not let us ask says nothing against it.
pub(super) fn holds_one(
    connection: &mut redis::Connection,
    server: &RedisServer,
    stored: &[StoredKey],
) -> Result<bool, CacheError> {
    let answers = ask(connection, server, stored, ["EXISTS", "HEXISTS"])?;
    if answers.iter().any(|answer| *answer != Value::Int(0)) {
        return Ok(true);
    }
    match redis::cmd("DBSIZE").query::<i64>(connection) {
        Ok(count) => Ok(count == 0),
        Err(_) => Ok(true),
    }
}

/// One command for each key or field, all in one round trip.
fn ask(
    connection: &mut redis::Connection,
    server: &RedisServer,
    stored: &[StoredKey],
    [of_key, of_field]: [&str; 2],
) -> Result<Vec<Value>, CacheError> {
    let mut pipeline = redis::pipe();
    pipeline.ignore_errors();
    for key in stored {
        match key {
            StoredKey::Plain(name) => pipeline.cmd(of_key).arg(name.as_slice()),
            StoredKey::Field { hash, field } => {
                pipeline.cmd(of_field).arg(hash.as_slice()).arg(field.as_slice())
            }
        };
    }
    pipeline.query(connection).map_err(|error| failed(server, &error))
}
