# The database servers of the rig, their accounts and certificates. Sourced by tests/run.

# One authority and one server certificate for every server that speaks TLS.
make_certificates() {
  local t=$D/tls
  mkdir -p "$t"
  (
    cd "$t" || exit 1
    printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' >server.ext
    printf '[req]\ndistinguished_name=dn\nx509_extensions=ca\n[dn]\n[ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n' >ca.cnf
    openssl ecparam -name prime256v1 -genkey -noout -out ca.key &&
      openssl req -x509 -new -key ca.key -sha256 -days 30 -subj '/CN=wp-app-password tests' -config ca.cnf -out ca.pem &&
      openssl ecparam -name prime256v1 -genkey -noout -out server-ec.key &&
      openssl pkcs8 -topk8 -nocrypt -in server-ec.key -out server.key &&
      openssl req -new -key server.key -subj '/CN=localhost' -config ca.cnf -out server.csr &&
      openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -sha256 -extfile server.ext -out server.pem
  ) >"$D/log/certificates" 2>&1 || { say "no certificates"; return 1; }
  chmod 600 "$t"/*.key
  fact ca "$t/ca.pem"
}

mariadb_root() { mariadb --no-defaults -S "$D/mariadb.sock" -uroot --default-character-set=utf8mb4 "$@"; }
mysql_root() { mariadb --no-defaults -S "$D/mysql.sock" -uroot --skip-ssl --default-character-set=utf8mb4 "$@"; }

# Passwords of the accounts; `odd` has one that needs every escape of an URL and of SQL.
odd_password="p@ss:w/r'd?#%&+ é"

start_mariadb() {
  local port
  mariadb-install-db --no-defaults --datadir="$D/mariadb" --auth-root-authentication-method=normal --skip-test-db \
    --user="$(id -un)" >"$D/log/mariadb-install" 2>&1 || return 1
  for _ in 1 2 3; do
    port=$(free_port) || return 1
    start mariadb mariadbd --no-defaults --user="$(id -un)" --datadir="$D/mariadb" --tmpdir="$D/tmp" --socket="$D/mariadb.sock" \
      --port="$port" --bind-address=127.0.0.1 --pid-file="$D/run/mariadbd" --skip-name-resolve --max-connections=300 \
      --character-set-server=utf8mb4 --innodb-flush-log-at-trx-commit=2 --max-allowed-packet=512M \
      --ssl-ca="$D/tls/ca.pem" --ssl-cert="$D/tls/server.pem" --ssl-key="$D/tls/server.key" --plugin-load-add=auth_ed25519
    wait_for mariadb 60 mariadb_root -e 'SELECT 1' && break
    port=
  done
  [ -n "$port" ] || return 1
  mariadb_root <<E || return 1
DELETE FROM mysql.global_priv WHERE user = '';
FLUSH PRIVILEGES;
CREATE USER wp@localhost IDENTIFIED BY 'wp-secret', wp@'%' IDENTIFIED BY 'wp-secret';
GRANT ALL ON *.* TO wp@localhost, wp@'%';
CREATE USER reader@localhost IDENTIFIED BY 'reader-secret', reader@'%' IDENTIFIED BY 'reader-secret';
GRANT SELECT ON *.* TO reader@localhost, reader@'%';
CREATE USER odd@localhost IDENTIFIED BY '${odd_password//\'/\'\'}', odd@'%' IDENTIFIED BY '${odd_password//\'/\'\'}';
GRANT ALL ON *.* TO odd@localhost, odd@'%';
CREATE USER tls@localhost IDENTIFIED BY 'tls-secret', tls@'%' IDENTIFIED BY 'tls-secret' REQUIRE SSL;
GRANT ALL ON *.* TO tls@localhost, tls@'%';
CREATE USER ed@localhost IDENTIFIED VIA ed25519 USING PASSWORD('ed-secret'), ed@'%' IDENTIFIED VIA ed25519 USING PASSWORD('ed-secret');
GRANT ALL ON *.* TO ed@localhost, ed@'%';
E
  facts_of_server mariadb "$port" "$(mariadb_root -BNe 'SELECT version()')"
  fact servers.mariadb.users.ed ed-secret
}

start_mysql() {
  local root=$cache/mysql lib=$cache/mysql/usr/lib/$(multiarch) port
  # Debian sid's loader and C library carry sid's server on any older Debian.
  local mysqld=("$lib"/ld-linux*.so.* --library-path "$lib:$root/usr/lib/mysql/private" "$root/usr/sbin/mysqld" --no-defaults
    --user="$(id -un)" --datadir="$D/mysql" --tmpdir="$D/tmp" --secure-file-priv= --lc-messages-dir="$root/usr/share/mysql"
    --character-sets-dir="$root/usr/share/mysql/charsets" --plugin-dir="$root/usr/lib/mysql/plugin" --disable-log-bin
    --innodb-redo-log-capacity=16M)
  "${mysqld[@]}" --initialize-insecure >"$D/log/mysql-install" 2>&1 </dev/null || return 1
  for _ in 1 2 3; do
    port=$(free_port) || return 1
    start mysql "${mysqld[@]}" --socket="$D/mysql.sock" --port="$port" --bind-address=127.0.0.1 --mysqlx=OFF --skip-name-resolve \
      --pid-file="$D/run/mysqld" --max-connections=300 --performance-schema=OFF --innodb-flush-log-at-trx-commit=2 \
      --max-allowed-packet=512M --ssl-ca="$D/tls/ca.pem" --ssl-cert="$D/tls/server.pem" --ssl-key="$D/tls/server.key"
    wait_for mysql 90 mysql_root -e 'SELECT 1' && break
    port=
  done
  [ -n "$port" ] || return 1
  mysql_root <<E || return 1
CREATE USER wp@'%' IDENTIFIED WITH caching_sha2_password BY 'wp-secret';
GRANT ALL ON *.* TO wp@'%';
CREATE USER reader@'%' IDENTIFIED WITH caching_sha2_password BY 'reader-secret';
GRANT SELECT ON *.* TO reader@'%';
CREATE USER odd@'%' IDENTIFIED WITH caching_sha2_password BY '${odd_password//\'/\'\'}';
GRANT ALL ON *.* TO odd@'%';
CREATE USER tls@'%' IDENTIFIED WITH caching_sha2_password BY 'tls-secret' REQUIRE SSL;
GRANT ALL ON *.* TO tls@'%';
E
  facts_of_server mysql "$port" "$(mysql_root -BNe 'SELECT version()')"
}

multiarch() {
  case $(dpkg --print-architecture) in
    amd64) echo x86_64-linux-gnu ;;
    arm64) echo aarch64-linux-gnu ;;
    *) cc -print-multiarch ;;
  esac
}

# facts_of_server NAME PORT VERSION
facts_of_server() {
  printf '%s' "$2" >"$D/run/$1.port"
  fact "servers.$1.version" "$3"
  fact "servers.$1.socket" "$D/$1.sock"
  fact "servers.$1.host" 127.0.0.1
  fact "servers.$1.port" "$2"
  fact "servers.$1.ca" "$D/tls/ca.pem"
  fact "servers.$1.users.root" ''
  fact "servers.$1.users.wp" wp-secret
  fact "servers.$1.users.reader" reader-secret
  fact "servers.$1.users.tls" tls-secret
  fact "servers.$1.users.odd" "$odd_password"
}

# A Redis without a password, and one with: a default user's, one of an access list, and TLS.
start_redis() {
  local port tls
  for _ in 1 2 3; do
    port=$(free_port) || return 1
    start redis redis-server --port "$port" --bind 127.0.0.1 --unixsocket "$D/redis.sock" --save '' --appendonly no --dir "$D/tmp"
    wait_for redis 20 listens "$port" && break
    port=
  done
  [ -n "$port" ] || return 1
  fact servers.redis.version "$(redis-server --version | sed 's/.* v=\([^ ]*\).*/\1/')"
  fact servers.redis.socket "$D/redis.sock"
  fact servers.redis.host 127.0.0.1
  fact servers.redis.port "$port"
  printf '%s' "$port" >"$D/run/redis.port"
  for _ in 1 2 3; do
    port=$(free_port) && tls=$(free_port) || return 1
    printf 'requirepass "redis secret"\nuser wp on >acl-secret ~* +@all\n' >"$D/redis-secure.conf"
    start redis-secure redis-server "$D/redis-secure.conf" --port "$port" --tls-port "$tls" --tls-cert-file "$D/tls/server.pem" --tls-key-file "$D/tls/server.key" \
      --tls-ca-cert-file "$D/tls/ca.pem" --tls-auth-clients no --bind 127.0.0.1 --unixsocket "$D/redis-secure.sock" --save '' --appendonly no \
      --dir "$D/tmp"
    wait_for redis-secure 20 listens "$tls" && break
    tls=
  done
  [ -n "$tls" ] || return 1
  fact servers.redis_secure.version "$(redis-server --version | sed 's/.* v=\([^ ]*\).*/\1/')"
  fact servers.redis_secure.socket "$D/redis-secure.sock"
  fact servers.redis_secure.host 127.0.0.1
  fact servers.redis_secure.port "$port"
  fact servers.redis_secure.tls.port "$tls"
  printf '%s' "$tls" >"$D/run/redis-tls.port"
}

start_memcached() {
  local port user=()
  if [ "$(id -u)" -eq 0 ]; then user=(-u root); fi
  for _ in 1 2 3; do
    port=$(free_port) || return 1
    start memcached memcached ${user[@]+"${user[@]}"} -l 127.0.0.1 -p "$port" -U 0 -m 32
    wait_for memcached 20 listens "$port" && break
    port=
  done
  [ -n "$port" ] || return 1
  fact servers.memcached.version "$(memcached -V | sed 's/.* //')"
  fact servers.memcached.host 127.0.0.1
  fact servers.memcached.port "$port"
  printf '%s' "$port" >"$D/run/memcached.port"
}

start_databases() {
  start_redis || { say "Redis did not start"; return 1; }
  start_memcached || { say "Memcached did not start"; return 1; }
  start_mariadb & local first=$!
  start_mysql & local second=$!
  wait "$first" || { say "MariaDB did not start"; return 1; }
  wait "$second" || { say "MySQL did not start"; return 1; }
}
