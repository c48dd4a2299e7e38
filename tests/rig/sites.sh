# The WordPress sites of the rig: files, configuration, WordPress's own installer, a web server each.
# Sourced by tests/run.

# PHP as the sites run it: deprecation notes of a newer PHP must not end up in an answer's body.
run_php() { "$php" -d error_reporting=0 -d display_errors=0 -d opcache.enable_cli=1 -d opcache.revalidate_freq=0 "$@"; }

# write_config SITE NAME DATABASE PREFIX HOST ENVIRONMENT: wp-config.php in the order of WordPress's own sample.
write_config() {
  local site=$1 database=$2 prefix=$3 host=$4 environment=$5 user=wp password=wp-secret key
  if [ -z "$host" ]; then user='' password=''; fi
  {
    printf "<?php\n// ** Database settings ** //\n"
    printf "define( 'DB_NAME', '%s' );\ndefine( 'DB_USER', '%s' );\ndefine( 'DB_PASSWORD', '%s' );\ndefine( 'DB_HOST', '%s' );\n" \
      "$database" "$user" "$password" "$host"
    printf "define( 'DB_CHARSET', 'utf8mb4' );\ndefine( 'DB_COLLATE', '' );\n\n"
    for key in AUTH_KEY SECURE_AUTH_KEY LOGGED_IN_KEY NONCE_KEY AUTH_SALT SECURE_AUTH_SALT LOGGED_IN_SALT NONCE_SALT; do
      printf "define( '%s', 'test only %s' );\n" "$key" "$key"
    done
    printf "\n\$table_prefix = '%s';\n\ndefine( 'WP_DEBUG', false );\n" "$prefix"
    if [ "$environment" != production ]; then printf "define( 'WP_ENVIRONMENT_TYPE', '%s' );\n" "$environment"; fi
    printf "define( 'DISABLE_WP_CRON', true );\ndefine( 'AUTOMATIC_UPDATER_DISABLED', true );\n"
    printf "/* more settings */\n\n"
    printf "if ( ! defined( 'ABSPATH' ) ) {\n\tdefine( 'ABSPATH', __DIR__ . '/' );\n}\n\nrequire_once ABSPATH . 'wp-settings.php';\n"
  } >"$site/wp-config.php"
}

# site NAME SUITE BACKEND [PREFIX] [KIND]: BACKEND is mariadb, mariadb-tcp, mysql, or the version of the SQLite
# integration; KIND is single, network or tls.
site() {
  local name=$1 suite=$2 backend=$3 prefix=${4:-wp_} kind=${5:-single} cache_kind=${6:-}
  local S=$D/sites/$name database=${name//-/_} host='' port public url scheme=http environment=local
  cp -r "$cache/wordpress-$suite" "$S" || return 1
  cp "$here/rig/php/mu-plugin.php" "$S/wp-content/mu-plugins/rig.php"
  if [ "$kind" = tls ]; then scheme=https environment=production; fi
  case $backend in
    mariadb) host=localhost:$D/mariadb.sock; mariadb_root -e "CREATE DATABASE $database CHARACTER SET utf8mb4" || return 1 ;;
    mariadb-tcp) host=127.0.0.1:$(cat "$D/run/mariadb.port"); mariadb_root -e "CREATE DATABASE $database CHARACTER SET utf8mb4" || return 1 ;;
    mysql) host=localhost:$D/mysql.sock; mysql_root -e "CREATE DATABASE $database CHARACTER SET utf8mb4" || return 1 ;;
    *)
      local plugin=$S/wp-content/plugins/sqlite-database-integration
      cp -r "$cache/sqlite-$backend" "$plugin" || return 1
      sed "s#{SQLITE_IMPLEMENTATION_FOLDER_PATH}#$plugin#;s#{SQLITE_PLUGIN}#sqlite-database-integration/load.php#" \
        "$plugin/db.copy" >"$S/wp-content/db.php"
      database=wordpress
      ;;
  esac
  # Several workers: requests overlap as they do on a real site.
  for _ in 1 2 3 4 5; do
    port=$(free_port) || return 1
    PHP_CLI_SERVER_WORKERS=4 start "site-$name" "$php" -d error_reporting=0 -d display_errors=0 -d opcache.enable_cli=1 \
      -d opcache.revalidate_freq=0 -d opcache.memory_consumption=64 -S "127.0.0.1:$port" -t "$S" "$here/rig/php/router.php"
    wait_for "site-$name" 20 listens "$port" && break
    port=
  done
  [ -n "$port" ] || return 1
  public=$port
  if [ "$kind" = tls ]; then start_nginx "$name" "$port" || return 1; public=$(cat "$D/run/nginx-$name.port"); fi
  url=$scheme://127.0.0.1:$public
  printf '%s' "$url" >"$S/.rig-url"
  write_config "$S" "$database" "$prefix" "$host" "$environment"
  run_php "$here/rig/php/install.php" "$S" "$url" >"$D/log/install-$name" 2>&1 || { cat "$D/log/install-$name" >&2; return 1; }
  if [ "$kind" = network ]; then
    run_php "$here/rig/php/network.php" "$S" tables >>"$D/log/install-$name" 2>&1 || { cat "$D/log/install-$name" >&2; return 1; }
    sed -i "s#^/\* more settings \*/#define( 'MULTISITE', true );\ndefine( 'SUBDOMAIN_INSTALL', false );\ndefine( 'DOMAIN_CURRENT_SITE', '127.0.0.1:$public' );\ndefine( 'PATH_CURRENT_SITE', '/' );\ndefine( 'SITE_ID_CURRENT_SITE', 1 );\ndefine( 'BLOG_ID_CURRENT_SITE', 1 );#" "$S/wp-config.php"
    run_php "$here/rig/php/network.php" "$S" sites >>"$D/log/install-$name" 2>&1 || { cat "$D/log/install-$name" >&2; return 1; }
  fi
  if [ -n "$cache_kind" ]; then give_object_cache "$S" "$cache_kind" || return 1; fi
  facts_of_site "$name" "$S" "$url" "$backend" "$database" "$prefix" "$kind" "$port" "$cache_kind"
}

# give_object_cache SITE KIND: the drop-in of the tests, and the settings that its original would read.
give_object_cache() {
  local S=$1 settings name
  case $2 in
    redis-cache)
      name='Redis Object Cache Drop-In'
      settings="define( 'WP_REDIS_HOST', '127.0.0.1' );\ndefine( 'WP_REDIS_PORT', $(cat "$D/run/redis.port") );\ndefine( 'WP_REDIS_DATABASE', 1 );"
      ;;
    redis-cache-tls)
      name='Redis Object Cache Drop-In'
      settings="define( 'WP_REDIS_SCHEME', 'tls' );\ndefine( 'WP_REDIS_HOST', '127.0.0.1' );\ndefine( 'WP_REDIS_PORT', $(cat "$D/run/redis-tls.port") );\ndefine( 'WP_REDIS_PASSWORD', [ 'wp', 'acl-secret' ] );\ndefine( 'WP_REDIS_SSL_CONTEXT', [ 'cafile' => '$D/tls/ca.pem' ] );\ndefine( 'WP_REDIS_PREFIX', 'net:' );"
      ;;
    wp-redis)
      name='WP Redis'
      settings="\$redis_server = [ 'host' => '127.0.0.1', 'port' => $(cat "$D/run/redis.port"), 'database' => 2 ];\ndefine( 'WP_CACHE_KEY_SALT', 'shop' );\ndefine( 'WP_REDIS_USE_CACHE_GROUPS', true );"
      ;;
    memcached)
      name=Memcached
      settings="\$memcached_servers = [ '127.0.0.1:$(cat "$D/run/memcached.port")' ];\ndefine( 'WP_CACHE_KEY_SALT', 'mem' );"
      ;;
  esac
  sed "s#{NAME}#$name#" "$here/rig/php/object-cache.php" >"$S/wp-content/object-cache.php" || return 1
  sed -i "s#^\\\$table_prefix = #define( 'RIG_CACHE', '${2%-tls}' );\n$settings\n&#" "$S/wp-config.php"
}

# facts_of_site NAME FOLDER URL BACKEND DATABASE PREFIX KIND PORT CACHE
facts_of_site() {
  local key=sites.$1 server
  # Sites with a cache are a list of their own: what is expected of every site is not expected of them.
  if [ -n "${9:-}" ]; then key=cached_sites.$1; fi
  {
    fact "$key.version" "$(sed -n "s/^\$wp_version = '\(.*\)';.*/\1/p" "$2/wp-includes/version.php")"
    fact "$key.path" "$2"
    fact "$key.url" "$3"
    case $4 in
      mariadb*) server=mariadb ;;
      mysql) server=mysql ;;
      *) server=sqlite ;;
    esac
    fact "$key.server" "$server"
    if [ $server = sqlite ]; then
      fact "$key.db" "sqlite:$2/wp-content/database/.ht.sqlite"
      fact "$key.sqlite_integration" "$(sed -n 's/^ \* Version: *//p' "$2/wp-content/plugins/sqlite-database-integration/load.php")"
    else
      fact "$key.db" "mysql://wp:wp-secret@127.0.0.1:$(cat "$D/run/$server.port")/$5?socket=$D/$server.sock"
      fact "$key.database" "$5"
    fi
    fact "$key.prefix" "$6"
    if [ -n "${9:-}" ]; then fact "$key.cache" "$9"; fi
    fact "$key.multisite" "$([ "$7" = network ] && echo true || echo false)"
    fact "$key.https" "$([ "$7" = tls ] && echo true || echo false)"
    if [ "$7" = tls ]; then
      fact "$key.ca" "$D/tls/ca.pem"
      fact "$key.plain_url" "http://127.0.0.1:$8"
    fi
  }
}

# start_nginx NAME PORT: TLS in front of the PHP server on PORT; its own port goes to run/nginx-NAME.port.
start_nginx() {
  local N=$D/nginx-$1 port
  mkdir -p "$N"
  for _ in 1 2 3; do
    port=$(free_port) || return 1
    cat >"$N/nginx.conf" <<E
daemon off;
pid $N/pid;
error_log stderr;
worker_processes 1;
$([ "$(id -u)" -ne 0 ] || printf 'user %s %s;' "$(id -un)" "$(id -gn)")
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path $N/body; proxy_temp_path $N/proxy; fastcgi_temp_path $N/fastcgi; uwsgi_temp_path $N/uwsgi; scgi_temp_path $N/scgi;
  server {
    listen 127.0.0.1:$port ssl;
    ssl_certificate $D/tls/server.pem;
    ssl_certificate_key $D/tls/server.key;
    location / {
      proxy_pass http://127.0.0.1:$2;
      proxy_set_header Host \$http_host;
      proxy_set_header X-Forwarded-Proto https;
    }
  }
}
E
    start "nginx-$1" nginx -e stderr -c "$N/nginx.conf" -p "$N"
    wait_for "nginx-$1" 20 listens "$port" && break
    port=
  done
  [ -n "$port" ] || return 1
  printf '%s' "$port" >"$D/run/nginx-$1.port"
}

start_sites() {
  local jobs=() names=() i failed=0
  launch() { site "$@" & jobs+=($!); names+=("$1"); }
  launch wp61 bookworm mariadb
  launch wp68 trixie mariadb-tcp
  launch wp71 forky mariadb
  launch wp71-network forky mariadb net7_ network
  launch wp71-tls forky mariadb wp_ tls
  launch wp71-mysql forky mysql
  launch wp71-sqlite forky "$playground_new"
  launch wp71-spare forky "$playground_new"
  launch wp68-sqlite-old trixie "$playground_old"
  launch wp71-redis forky mariadb wp_ single redis-cache
  launch wp71-redis-network forky mariadb net7_ network redis-cache-tls
  launch wp71-wpredis forky mariadb wp_ single wp-redis
  launch wp71-memcached forky mariadb wp_ single memcached
  for i in "${!jobs[@]}"; do
    wait "${jobs[$i]}" || { say "site ${names[$i]} could not be made"; failed=1; }
  done
  return $failed
}

# Dumps of freshly installed sites: a test makes a database of its own from one in a moment.
make_templates() {
  local T=$D/templates
  dump() { mariadb-dump --no-defaults -S "$D/mariadb.sock" -uroot --default-character-set=utf8mb4 --skip-comments --skip-lock-tables --skip-add-locks --skip-disable-keys --no-tablespaces "$1"; }
  dump wp71 >"$T/innodb.sql" && dump wp71_network >"$T/network.sql" && dump wp61 >"$T/wp61.sql" || return 1
  mariadb_root -e 'CREATE DATABASE myisam CHARACTER SET utf8mb4' && mariadb_root myisam <"$T/innodb.sql" || return 1
  mariadb_root -BN -e "SELECT CONCAT('ALTER TABLE \`', table_name, '\` ENGINE=MyISAM;') FROM information_schema.tables WHERE table_schema = 'myisam'" |
    mariadb_root myisam || return 1
  dump myisam >"$T/myisam.sql" || return 1
  mariadb_root -e 'DROP DATABASE myisam'
  local kind source
  for kind in sqlite:wp71-sqlite sqlite-old:wp68-sqlite-old; do
    source=$D/sites/${kind##*:}/wp-content/database/.ht.sqlite
    # Everything out of the write-ahead log, then the file alone is the database.
    run_php -r '$db = new PDO("sqlite:" . $argv[1]); $db->query("PRAGMA wal_checkpoint(TRUNCATE)")->fetchAll();' "$source" || return 1
    cp "$source" "$T/${kind%%:*}.db" || return 1
  done
  for kind in innodb network wp61 myisam; do fact "templates.$kind" "$T/$kind.sql"; done
  for kind in sqlite sqlite-old; do fact "templates.$kind" "$T/$kind.db"; done
}

# Writes rig.json.
describe() {
  fact dir "$D"
  fact php "$php"
  fact php_version "$("$php" -n -r 'echo PHP_VERSION;')"
  fact wp_eval "$here/rig/wp-eval.php"
  fact mariadb_client "$(command -v mariadb)"
  cp "$cache/$sarif_schema" "$D/sarif-schema.json"
  fact php_wasm "$cache/php-wasm-$php_wasm"
  fact nginx_version "$(nginx -v 2>&1 | sed 's#.*/##; s# .*##')"
  "$php" -n "$here/rig/php/describe.php" "$D/run/facts" >"$D/rig.json.new" && mv "$D/rig.json.new" "$D/rig.json"
}
