# The rows that the benchmarks fill their databases with. Sourced by them.

# $1 users: the rows of usermeta, in the order in which WordPress writes them. Every seventh user is an administrator,
# every tenth entry was never used, every twelfth not for a year.
usermeta() {
  awk -v users="$1" -v now="$(date +%s)" '
    function entry(i, user, number,   serial, uuid, name, used, created, hash) {
      serial = user * 3 + number
      uuid = sprintf("%08x-%04x-4%03x-8%03x-%012x", user, number, user % 4096, number, serial)
      name = "Integration " number
      created = now - 86400 * (serial % 300) - 3600
      hash = sprintf("$generic$F6W18u0QEytABCDEFGHIJKLMNOPQRS%012d", serial)
      if (serial % 10 == 0) used = "s:9:\"last_used\";N;s:7:\"last_ip\";N;"
      else used = "s:9:\"last_used\";i:" (serial % 12 == 0 ? created + 1 : now - 1800) ";s:7:\"last_ip\";s:11:\"203.0.113.7\";"
      return "i:" i ";a:7:{s:4:\"uuid\";s:36:\"" uuid "\";s:6:\"app_id\";s:0:\"\";s:4:\"name\";s:" length(name) ":\"" name \
        "\";s:8:\"password\";s:" length(hash) ":\"" hash "\";s:7:\"created\";i:" created ";" used "}"
    }
    function row(user, key, value) { print user "\t" key "\t" value }
    BEGIN {
      for (user = 1; user <= users; user++) {
        row(user, "nickname", "user" user); row(user, "first_name", "First"); row(user, "last_name", "Last")
        row(user, "description", ""); row(user, "rich_editing", "true"); row(user, "syntax_highlighting", "true")
        row(user, "comment_shortcuts", "false"); row(user, "admin_color", "fresh"); row(user, "use_ssl", "0")
        row(user, "show_admin_bar_front", "true"); row(user, "locale", "")
        role = user % 7 == 0 ? "administrator" : user % 3 == 0 ? "editor" : "shop_manager"
        row(user, "wp_capabilities", "a:1:{s:" length(role) ":\"" role "\";b:1;}"); row(user, "wp_user_level", "7")
        row(user, "_application_passwords", "a:3:{" entry(0, user, 0) entry(1, user, 1) entry(2, user, 2) "}")
      }
    }'
}

# $1 users, $2 folder: $2/usermeta.tsv (user_id, meta_key, meta_value) and $2/users.tsv (ID, user_login, user_email, user_status).
make_rows() {
  usermeta "$1" > "$2/usermeta.tsv"
  seq "$1" | awk '{ print $1 "\tuser" $1 "\tuser" $1 "@example.com\t0" }' > "$2/users.tsv"
}
