# What the parts of tests/run share: messages, free ports, starting and ending servers.
# Sourced by tests/run. Every server lives in the folder $D.

# A folder with this file was made by `tests/run up`, so `down` may remove it.
marker=.wp-app-password-rig

say() { printf '%s\n' "$*"; }
die() {
  printf 'tests/run: %s\n' "$*" >&2
  exit 1
}

# The end of every log of the rig $1: what went wrong.
show_logs() {
  local log
  for log in "$1"/log/*; do
    [ -s "$log" ] && [ "$log" != "$1/log/cargo-test" ] && { printf '== %s\n' "${log##*/}"; tail -n 8 "$log"; } >&2
  done
}

find_php() { php=$(command -v php) || die "php is missing"; }

# A free port. Below the range that outgoing connections take theirs from, so that it is still free when
# the server that gets it starts.
free_port() {
  "$php" -n -r 'for ($i = 0; $i < 200; $i++) { $p = random_int(15000, 32000);
    $s = @stream_socket_server("tcp://127.0.0.1:$p"); if ($s) { echo $p; exit(0); } } exit(1);'
}

# The start time of process $1, in ticks after boot: with the id it names one process for ever.
start_time() {
  local stat
  read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
  set -- ${stat##*)}
  printf '%s' "${20}"
}

# start NAME COMMAND…: starts a server in a process group of its own, its output in log/NAME.
start() {
  local name=$1
  shift
  WP_APP_PASSWORD_RIG_DIR=$D setsid "$@" </dev/null >"$D/log/$name" 2>&1 &
  local pid=$!
  printf '%s %s\n' "$pid" "$(start_time "$pid")" >"$D/run/$name.pid"
}

# Whether server NAME still runs.
alive() {
  local pid began
  read -r pid began <"$D/run/$1.pid" && [ "$(start_time "$pid")" = "$began" ]
}

# wait_for NAME SECONDS COMMAND…: until COMMAND succeeds; fails when server NAME ended or time is up.
wait_for() {
  local name=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    alive "$name" || return 1
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.1
  done
}

# Whether something listens on port $1.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Ends every server of $D at once: nobody needs its data again. Only processes that `start` started, by id
# and start time, with their groups, and what still carries the folder's name in its environment.
stop_all() {
  local file pid began
  for file in "$D"/run/*.pid; do
    [ -f "$file" ] || continue
    read -r pid began <"$file"
    if [ -n "$began" ] && [ "$(start_time "$pid")" = "$began" ]; then kill -KILL -- "-$pid" 2>/dev/null; fi
  done
  for pid in $(strays); do kill -KILL "$pid" 2>/dev/null; done
  rm -f "$D"/run/*.pid
}

# Processes that were started with this rig's folder in their environment.
strays() {
  local environment
  for environment in /proc/[0-9]*/environ; do
    if tr '\0' '\n' <"$environment" 2>/dev/null | grep -qxF "WP_APP_PASSWORD_RIG_DIR=$D"; then
      environment=${environment#/proc/}
      printf '%s\n' "${environment%/environ}"
    fi
  done 2>/dev/null
}

# fact KEY VALUE: one leaf of rig.json; a dot in KEY goes one level down.
fact() { printf '%s\t%s\n' "$1" "$2" >>"$D/run/facts"; }
