# What the rig is made of: programs of this machine (installed when missing), and packages that are only
# unpacked into the cache because their versions do not belong on this machine. Sourced by tests/run.

# The release of the npm package with the SQLite integration whose tables are STRICT, and the last one seen
# with the older translator (plugin 2.2.x).
playground_new=3.1.56
playground_old=3.1.12

# The published schema of SARIF 2.1.0, as an npm package of Microsoft's carries it.
sarif_schema=sarif-2.1.0-rtm.5.json

# The release of the npm packages that are a PHP each, and which PHPs: the oldest that WordPress with application
# passwords is run on and they have, and the newest.
php_wasm=3.0.42
php_wasm_versions=(7-2 7-4 8-5)

find_cache() {
  cache=${WP_APP_PASSWORD_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/wp-app-password-tests}
  mkdir -p "$cache" || die "cannot make the cache folder $cache; name another one in WP_APP_PASSWORD_TEST_CACHE"
  cache=$(realpath "$cache")
}

# Installs the Debian packages whose programs are missing; does nothing and needs no rights when none is.
install_missing() {
  local missing=() module
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || die "this needs Debian 12 or newer (apt-get)"
  need() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || missing+=("$2"); }
  PATH=$PATH:/usr/sbin:/sbin
  need php php-cli
  for module in mysqli:mysql sqlite3:sqlite3 pdo_sqlite:sqlite3 xml:xml mbstring:mbstring redis:redis memcached:memcached; do
    if ! php -m 2>/dev/null | grep -qix "${module%%:*}"; then missing+=("php-${module##*:}"); fi
  done
  need mariadbd mariadb-server
  need mariadb-install-db mariadb-server
  need mariadb mariadb-client
  need mariadb-dump mariadb-client
  need nginx nginx-light
  need redis-server redis-server
  need memcached memcached
  need openssl openssl
  need unzip unzip
  # What checks the formats of audits.
  need promtool prometheus
  need xmllint libxml2-utils
  need python3 python3
  if ! python3 -c 'import jsonschema' 2>/dev/null; then missing+=(python3-jsonschema); fi
  need cc gcc
  # Those who read what is delivered: independent implementations of each format.
  need curl curl
  need jq jq
  # Who approves on the authorization screen.
  need chromium chromium
  need age age
  need ssh-keygen openssh-client
  if ! /usr/bin/python3 -c 'import nacl' 2>/dev/null; then missing+=(python3-nacl); fi
  find_cache
  if [ ! -d "$cache/sqlite-$playground_new" ] || [ ! -d "$cache/sqlite-$playground_old" ] || [ ! -f "$cache/$sarif_schema" ] ||
    [ ! -d "$cache/php-wasm-$php_wasm" ]; then need npm npm; fi
  need node nodejs
  if ! command -v cc >/dev/null || ! echo '#include <stdio.h>' | cc -E -x c - >/dev/null 2>&1; then missing+=(libc6-dev); fi
  if [ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ] && [ ! -e /usr/share/keyrings/debian-archive-keyring.pgp ]; then
    missing+=(debian-archive-keyring)
  fi
  if [ ${#missing[@]} -gt 0 ]; then
    mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
      if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 2 ]; }; then root=(sudo)
      else die "missing packages; as root: apt-get update && apt-get install --no-install-recommends ${missing[*]}"; fi
    fi
    say "installing ${missing[*]}"
    # The servers run in the rig only: Debian's policy file keeps the packages from starting theirs.
    local policy=
    if [ ! -e /usr/sbin/policy-rc.d ]; then
      policy=1
      printf '#!/bin/sh\nexit 101\n' | ${root[@]+"${root[@]}"} tee /usr/sbin/policy-rc.d >/dev/null
      ${root[@]+"${root[@]}"} chmod 755 /usr/sbin/policy-rc.d
    fi
    ${root[@]+"${root[@]}"} apt-get update -qq </dev/null &&
      ${root[@]+"${root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null
    local status=$?
    if [ -n "$policy" ]; then ${root[@]+"${root[@]}"} rm -f /usr/sbin/policy-rc.d; fi
    [ $status -eq 0 ] || die "these packages could not be installed: ${missing[*]}"
  fi
  find_php
}

# Where this machine gets Debian from: read off its own package sources, in either of apt's formats.
debian_mirror() {
  if [ -n "${WP_APP_PASSWORD_TEST_DEBIAN:-}" ]; then
    printf '%s' "$WP_APP_PASSWORD_TEST_DEBIAN"
    return
  fi
  local codename
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-sid}")
  apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v own="$codename" '$3 == "main" && ($2 == own || $2 ~ /^(stable|testing|unstable|sid|bookworm|trixie|forky)$/) { print $1; exit }'
}

# Runs an apt command with package lists of our own, which know the four releases that we take packages from.
apt_here() { APT_CONFIG=$cache/apt/apt.conf "$@"; }

prepare_apt() {
  [ -z "${apt_ready:-}" ] || return 0
  local mirror keyring suite
  mirror=$(debian_mirror)
  [ -n "$mirror" ] || die "this machine's package sources name no Debian mirror; name one in WP_APP_PASSWORD_TEST_DEBIAN"
  for keyring in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do [ -e "$keyring" ] && break; done
  mkdir -p "$cache"/apt/{lists/partial,archives/partial}
  : >"$cache/apt/status"
  cat >"$cache/apt/apt.conf" <<E
Dir::State::Lists "$cache/apt/lists";
Dir::State::Status "$cache/apt/status";
Dir::Cache "$cache/apt";
Dir::Etc::SourceList "$cache/apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
E
  for suite in bookworm trixie forky sid; do
    printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite"
  done >"$cache/apt/sources.list"
  apt_here apt-get update -qq </dev/null || die "the package lists of Debian bookworm to sid could not be read (an old debian-archive-keyring?)"
  apt_ready=1
}

# fetch_wordpress SUITE: that release's WordPress, unpacked to $cache/wordpress-SUITE.
fetch_wordpress() {
  [ ! -d "$cache/wordpress-$1" ] || return 0
  prepare_apt
  say "fetching WordPress of Debian $1"
  local work
  work=$(mktemp -d "$cache/work.XXXXXX") || return 1
  (cd "$work" && apt_here apt-get download -qq "wordpress/$1" </dev/null && dpkg -x wordpress_*.deb deb) || { rm -rf "$work"; return 1; }
  # The package links to libraries of other packages (mail, media tags, editors' scripts), which no test
  # needs: what the links cannot reach is left out.
  cp -rL "$work/deb/usr/share/wordpress" "$work/site" 2>/dev/null
  rm -f "$work/site/wp-config.php" "$work/site/.htaccess"
  rm -rf "$work/site/wp-content/plugins/"*
  # Two thirds of the size are the editor's scripts, and every site is a copy: of them all only those of the authorization
  # screen run in a test.
  find "$work/site" -name '*.js' ! -name 'wp-emoji*' ! -path '*/wp-admin/js/auth-app.min.js' ! -path '*/wp-includes/js/api-request.min.js' \
    ! -path '*/wp-includes/js/jquery/jquery*.min.js' ! -path '*/wp-includes/js/dist/hooks.min.js' ! -path '*/wp-includes/js/dist/i18n.min.js' -delete
  mkdir -p "$work/site/wp-content"/{plugins,themes,uploads,mu-plugins}
  [ -f "$work/site/wp-includes/version.php" ] && mv -T "$work/site" "$cache/wordpress-$1"
  local status=$?
  rm -rf "$work"
  return $status
}

# MySQL of Debian sid with the libraries that it needs, down to the loader, unpacked to $cache/mysql.
fetch_mysql() {
  [ ! -d "$cache/mysql" ] || return 0
  prepare_apt
  say "fetching MySQL of Debian sid"
  local work names
  work=$(mktemp -d "$cache/work.XXXXXX") || return 1
  # Perl and the like are for the packages' scripts, not for the server.
  names=$(apt_here apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
    -t sid mysql-server-core | grep '^[a-z]' | sort -u |
    grep -vE '^(perl|libperl|libgdbm|libdb5|gcc-|debconf|python|systemd|adduser|passwd|openssl-provider|libc-gconv)')
  # A virtual package cannot be downloaded: ask for those that have a version.
  (cd "$work" && mkdir debs root && cd debs &&
    apt_here apt-get download -qq -t sid $names </dev/null && for d in *.deb; do dpkg -x "$d" ../root || exit 1; done) &&
    mv -T "$work/root" "$cache/mysql"
  local status=$?
  rm -rf "$work"
  return $status
}

# fetch_sqlite VERSION: the SQLite integration that this version of the npm package carries.
fetch_sqlite() {
  [ ! -d "$cache/sqlite-$1" ] || return 0
  say "fetching the SQLite integration of @wp-playground/cli $1"
  local work
  work=$(mktemp -d "$cache/work.XXXXXX") || return 1
  (cd "$work" && npm pack --silent "@wp-playground/cli@$1" </dev/null >npm.log 2>&1 &&
    tar xzf wp-playground-cli-*.tgz package/sqlite-database-integration.zip &&
    mkdir plugin && unzip -q package/sqlite-database-integration.zip -d plugin && mv -T plugin/* "$cache/sqlite-$1")
  local status=$?
  [ $status -eq 0 ] || cat "$work/npm.log" >&2
  rm -rf "$work"
  return $status
}

# fetch_sarif: the schema that reports are checked against.
fetch_sarif() {
  [ ! -f "$cache/$sarif_schema" ] || return 0
  say "fetching the schema of SARIF"
  local work
  work=$(mktemp -d "$cache/work.XXXXXX") || return 1
  (cd "$work" && npm pack --silent "@microsoft/jest-sarif@1.0.0-beta.0" </dev/null >npm.log 2>&1 &&
    tar xzf microsoft-jest-sarif-*.tgz "package/lib/schemas/$sarif_schema" && mv -T "package/lib/schemas/$sarif_schema" "$cache/$sarif_schema")
  local status=$?
  [ $status -eq 0 ] || cat "$work/npm.log" >&2
  rm -rf "$work"
  return $status
}

# fetch_php_wasm: PHP in versions that no Debian has any more, or yet.
fetch_php_wasm() {
  [ ! -d "$cache/php-wasm-$php_wasm" ] || return 0
  say "fetching PHP ${php_wasm_versions[*]}"
  local work version packages=("@php-wasm/universal@$php_wasm")
  for version in "${php_wasm_versions[@]}"; do packages+=("@php-wasm/node-$version@$php_wasm"); done
  work=$(mktemp -d "$cache/work.XXXXXX") || return 1
  (cd "$work" && echo '{"private": true}' >package.json &&
    npm install --silent --ignore-scripts --no-audit --no-fund --no-package-lock "${packages[@]}" </dev/null >npm.log 2>&1 &&
    mkdir "$cache/work.php" && mv node_modules "$cache/work.php/" && mv -T "$cache/work.php" "$cache/php-wasm-$php_wasm")
  local status=$?
  [ $status -eq 0 ] || cat "$work/npm.log" >&2
  rm -rf "$work" "$cache/work.php"
  return $status
}

# Fills the cache; a second run at the same time waits.
fetch_all() {
  find_cache
  exec 9>"$cache/lock"
  flock 9
  local status=0
  rm -rf "$cache"/work.*
  fetch_wordpress bookworm && fetch_wordpress trixie && fetch_wordpress forky && fetch_mysql &&
    fetch_sqlite "$playground_new" && fetch_sqlite "$playground_old" && fetch_sarif && fetch_php_wasm || status=1
  # Four releases' package lists take 400 MB; fetching them again, should it come to that, is quick.
  if [ $status -eq 0 ]; then rm -rf "$cache/apt"; fi
  exec 9>&-
  [ $status -eq 0 ] || say "a download failed"
  return $status
}
