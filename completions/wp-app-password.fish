# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_wp_app_password_global_optspecs
    string join \n path= db= wp-config= env-file= assume-env php table-prefix= sandbox url= alias= expect-url= cache= no-cache after-write= confirm= no-confirm journal= journal-required replace-unreadable quiet color no-color debug= user= skip-plugins= skip-themes= skip-packages allow-root h/help V/version
end

function __fish_wp_app_password_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_wp_app_password_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_wp_app_password_using_subcommand
    set -l cmd (__fish_wp_app_password_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -s V -l version -d 'Print version'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "create" -d 'Create a new application password'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "list" -d 'List a user\'s application passwords, or those of all users'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "get" -d 'Get one application password'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "exists" -d 'Check whether an application password for a given application exists'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "update" -d 'Rename an application password'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "record-usage" -d 'Record usage of an application password'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "delete" -d 'Revoke some or all of a user\'s application passwords'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "revoke-all" -d 'Revoke all application passwords of a user, or what was breached of all users'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "prune" -d 'Revoke what is stale: not used, too old, past its date'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "suspend" -d 'Take application passwords out of service, so that they can be brought back'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "resume" -d 'Bring suspended application passwords back into service, as they were'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "rotate" -d 'Give an integration a new password, and retire the old one when the new one was delivered'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "ensure" -d 'Create an application password unless there is one of that name; rotate it when it is too old'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "verify" -d 'Check whether a password is one of a user\'s application passwords, and works'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "identify" -d 'Find out whose a leaked string is, or what leaked into files and logs'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "audit" -d 'Look at all application passwords of the site by rules, for people, cron and CI'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "discover" -d 'Find out whether a site has application passwords, and where users authorize an application'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "authorize" -d 'Let a user approve an application in the browser, and receive its password'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "provision" -d 'Make a user for a program, with a role and an application password; run again, it changes nothing'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "deprovision" -d 'Revoke all application passwords of a user and take its role away; the user and its content stay'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "enforcer" -d 'Install, check or remove the plugin that makes WordPress enforce expiry and restrictions'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "doctor" -d 'Find out why a valid application password is refused'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "site" -d 'Show which site, database and version were found, and where each setting came from'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c wp-app-password -n "__fish_wp_app_password_needs_command" -f -a "man" -d 'Print a manual page'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l app-id -d 'Application ID to attribute to the application password' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l hash -d 'How to hash the password' -r -f -a "auto\t'What this site\'s WordPress would write, bcrypt where its version is unknown (default)'
bcrypt\t'Accepted by every WordPress since 5.6; slow to check'
generic\t'BLAKE2b, WordPress 6.8 and newer only'
phpass\t'MD5-based, accepted by every WordPress since 5.6'"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l bcrypt-cost -d 'Cost of bcrypt (default: 10): each step doubles what one check costs' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l expires -d 'Refuse it from then on: 90d, or a time in UTC such as 2027-03-01 or 2027-03-01T14:00:00Z' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l allow -d 'Allow only these methods and routes of the REST API: \'GET,PUT /wc/v3/products*\' (repeatable)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l allow-net -d 'Allow it only from this address or network: 192.0.2.7, 10.0.0.0/8, 2001:db8::/32 (repeatable)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l note -d 'A note for people' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l owner -d 'Who answers for it, for people' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l format -d 'Form in which the password is written' -r -f -a "plain\t'The password and a line end'
json\t'One JSON object with all fields'
env\t'NAME=value, for sh, systemd\'s EnvironmentFile and docker --env-file'
netrc\t'A line for ~/.netrc, with the site\'s host and the login'
curl\t'A configuration for curl -K, with login and password'
k8s-secret\t'A Kubernetes Secret with login and password'
docker-secret\t'The password without a line end'"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l out-file -d 'Write the password to this file, which is replaced whole' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l set-key -d 'Set only this key of --out-file, a .env or JSON file that exists; all else in it stays byte for byte' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l mode -d 'Mode of --out-file, in octal (default: 0600, or that of the existing file)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l out-fd -d 'Write the password to this file descriptor, which the caller opened' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l exec -d 'Run this in a shell with the password on its standard input; its exit code decides' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l encrypt-to -d 'Encrypt for an age or SSH public key, or for those in a file (repeatable)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l seal-to -d 'Encrypt into a sealed box for this base64 public key, as APIs for a forge\'s secrets want it' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l var -d 'What the password is called in env (default: WP_APP_PASSWORD), json and k8s-secret (default: password)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l username -d 'Login to write where a format has one (default: the user\'s)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l secret-name -d 'Name of the object with --format=k8s-secret (default: wp-app-password)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l porcelain -d 'Output just the new password'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l read-only -d 'Allow only methods that read (GET, HEAD, OPTIONS)'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l force -d 'Write --out-file even where everybody may replace files of its folder'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l with-user -d 'With --format=env, add lines for the login and the site\'s address'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l uuid -d 'Filter by the universally unique ID' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l app_id -d 'Filter by the application ID (--app-id is accepted too)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l name -d 'Filter by the name' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l password -d 'Filter by the hashed password' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l created -d 'Filter by the time it was created, in Unix seconds UTC' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l last_used -d 'Filter by the time it was last used, in Unix seconds UTC (--last-used is accepted too)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l last_ip -d 'Filter by the IP address it was last used from (--last-ip is accepted too)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l user_id -d 'Without `<user>`: filter by the user\'s ID (--user-id is accepted too)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l user_login -d 'Without `<user>`: filter by the user\'s login (--user-login is accepted too)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l field -d 'Print the value of a single field' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l fields -d 'Limit the output to specific fields' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l format -d 'Render output in a particular format' -r -f -a "table\t''
csv\t''
json\t''
count\t''
yaml\t''
ids\t''"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l orderby -d 'Set orderby which field' -r -f -a "uuid\t''
app_id\t''
name\t''
password\t''
created\t''
last_used\t''
last_ip\t''
user_id\t''
user_login\t''"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l order -d 'Set ascending or descending order' -r -f -a "asc\t''
desc\t''"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l field -d 'Print the value of a single field' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l fields -d 'Limit the output to specific fields' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l format -d 'Render output in a particular format' -r -f -a "table\t''
csv\t''
json\t''
yaml\t''"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand get" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand exists" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l name -d 'The new name of the application password' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l expires -d 'Refuse it from then on: 90d, or a time in UTC such as 2027-03-01 or 2027-03-01T14:00:00Z' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l allow -d 'Allow only these methods and routes of the REST API: \'GET,PUT /wc/v3/products*\' (repeatable)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l allow-net -d 'Allow it only from this address or network: 192.0.2.7, 10.0.0.0/8, 2001:db8::/32 (repeatable)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l note -d 'A note for people' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l owner -d 'Who answers for it, for people' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l clear -d 'Take one of the options above away again (repeatable)' -r -f -a "expires\t''
allow\t''
allow-net\t''
read-only\t''
note\t''
owner\t''"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l read-only -d 'Allow only methods that read (GET, HEAD, OPTIONS)'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand update" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand record-usage" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l all -d 'Revoke all of the user\'s application passwords'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l keep-suspended -d 'Leave suspended ones alone; without this they are erased, and cannot be resumed'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l app-id -d 'Those of this application, by the id that it gave' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l name -d 'Those of this name; letter case does not count' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l role -d 'Those of users with this role (of a network: on any site)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l created-since -d 'Those created since then, and those that do not say when: 2026-11-20, 2026-11-20T14:00:00Z, or a time ago such as 3d' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l max -d 'Change nothing if it would be more application passwords than this' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l all-users -d 'Those of all users (of a network: of all its sites)'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l suspend -d 'Suspend them instead: `resume` brings them back'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l keep-suspended -d 'Leave suspended ones alone; without this they are erased, and nothing can be resumed'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -s y -l yes -d 'Don\'t ask'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l dry-run -d 'Show what would be done and change nothing (exit code 2 if anything would)'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand revoke-all" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l unused-for -d 'Those that were not used for this long (90d), counted from their last use' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l never-used-for -d 'Those that were never used, and are older than this (30d)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l older-than -d 'Those that are older than this, used or not' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l rule -d 'Those that break this rule of `audit` (repeatable, or separated by commas)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l app-id -d 'Those of this application, by the id that it gave' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l name -d 'Those of this name; letter case does not count' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l role -d 'Those of users with this role (of a network: on any site)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l created-since -d 'Those created since then, and those that do not say when: 2026-11-20, 2026-11-20T14:00:00Z, or a time ago such as 3d' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l user -d 'Those of this user' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l max -d 'Change nothing if it would be more application passwords than this' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l expired -d 'Those past the expiry that was noted in them'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l rotated -d 'Those whose place another took, and whose overlap is over (as `rotate --finish`)'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l suspend -d 'Suspend them instead: `resume` brings them back'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l keep-suspended -d 'Leave suspended ones alone; without this those that are chosen are erased'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -s y -l yes -d 'Don\'t ask'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l dry-run -d 'Show what would be done and change nothing (exit code 2 if anything would)'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l app-id -d 'Those of this application, by the id that it gave' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l name -d 'Those of this name; letter case does not count' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l role -d 'Those of users with this role (of a network: on any site)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l created-since -d 'Those created since then, and those that do not say when: 2026-11-20, 2026-11-20T14:00:00Z, or a time ago such as 3d' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l max -d 'Change nothing if it would be more application passwords than this' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l all -d 'All of the user\'s'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l all-users -d 'Those of all users (of a network: of all its sites)'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -s y -l yes -d 'Don\'t ask'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l dry-run -d 'Show what would be done and change nothing (exit code 2 if anything would)'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand suspend" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l app-id -d 'Those of this application, by the id that it gave' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l name -d 'Those of this name; letter case does not count' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l role -d 'Those of users with this role (of a network: on any site)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l created-since -d 'Those created since then, and those that do not say when: 2026-11-20, 2026-11-20T14:00:00Z, or a time ago such as 3d' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l max -d 'Change nothing if it would be more application passwords than this' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l all -d 'All of the user\'s'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l all-users -d 'Those of all users (of a network: of all its sites)'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -s y -l yes -d 'Don\'t ask'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l dry-run -d 'Show what would be done and change nothing (exit code 2 if anything would)'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l name -d 'The application password of this name, if there is only one' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l all-of -d 'All of this user\'s' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l older-than -d 'Those that were created longer ago than this (90d): of the user, or of all users' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l app-id -d 'Those of this application: of the user, or of all users' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l overlap -d 'Keep the old password for this long (24h, 7d); without it, it is revoked when the new one was delivered' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l live -d 'Require that the site at this address accepts the new password before it is delivered (default: the site\'s own address, where it can be reached over HTTPS)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l hash -d 'How to hash the password' -r -f -a "auto\t'What this site\'s WordPress would write, bcrypt where its version is unknown (default)'
bcrypt\t'Accepted by every WordPress since 5.6; slow to check'
generic\t'BLAKE2b, WordPress 6.8 and newer only'
phpass\t'MD5-based, accepted by every WordPress since 5.6'"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l bcrypt-cost -d 'Cost of bcrypt (default: 10): each step doubles what one check costs' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l format -d 'Form in which the password is written' -r -f -a "plain\t'The password and a line end'
json\t'One JSON object with all fields'
env\t'NAME=value, for sh, systemd\'s EnvironmentFile and docker --env-file'
netrc\t'A line for ~/.netrc, with the site\'s host and the login'
curl\t'A configuration for curl -K, with login and password'
k8s-secret\t'A Kubernetes Secret with login and password'
docker-secret\t'The password without a line end'"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l out-file -d 'Write the password to this file, which is replaced whole' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l set-key -d 'Set only this key of --out-file, a .env or JSON file that exists; all else in it stays byte for byte' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l mode -d 'Mode of --out-file, in octal (default: 0600, or that of the existing file)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l out-fd -d 'Write the password to this file descriptor, which the caller opened' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l exec -d 'Run this in a shell with the password on its standard input; its exit code decides' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l encrypt-to -d 'Encrypt for an age or SSH public key, or for those in a file (repeatable)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l seal-to -d 'Encrypt into a sealed box for this base64 public key, as APIs for a forge\'s secrets want it' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l var -d 'What the password is called in env (default: WP_APP_PASSWORD), json and k8s-secret (default: password)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l username -d 'Login to write where a format has one (default: the user\'s)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l secret-name -d 'Name of the object with --format=k8s-secret (default: wp-app-password)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l finish -d 'Revoke old passwords whose overlap is over: of all users, of one, or the one that is named'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l now -d 'With --finish, also those whose overlap is not over'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l abort -d 'Undo a rotation that did not end: the new password goes, the old one stays'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -s y -l yes -d 'Don\'t ask: of --abort whether the new password was delivered, of several whether those of all users are meant'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l dry-run -d 'Show what would be rotated and change nothing (exit code 2 if anything would)'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l no-live -d 'Check the new password against the database only'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l takeover -d 'Don\'t wait for a run on another machine or in another container that may still be at work'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l porcelain -d 'Output just the new password'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l json -d 'Report what was done as one JSON object, with the password in it if it goes to standard output'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l force -d 'Write --out-file even where everybody may replace files of its folder'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l with-user -d 'With --format=env, add lines for the login and the site\'s address'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand rotate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l app-id -d 'Application ID to attribute to a new application password' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l max-age -d 'Rotate it when it was created longer ago than this (90d)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l overlap -d 'Keep the old password for this long (24h, 7d); without it, it is revoked when the new one was delivered' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l live -d 'Require that the site at this address accepts the new password before it is delivered (default: the site\'s own address, where it can be reached over HTTPS)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l hash -d 'How to hash the password' -r -f -a "auto\t'What this site\'s WordPress would write, bcrypt where its version is unknown (default)'
bcrypt\t'Accepted by every WordPress since 5.6; slow to check'
generic\t'BLAKE2b, WordPress 6.8 and newer only'
phpass\t'MD5-based, accepted by every WordPress since 5.6'"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l bcrypt-cost -d 'Cost of bcrypt (default: 10): each step doubles what one check costs' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l format -d 'Form in which the password is written' -r -f -a "plain\t'The password and a line end'
json\t'One JSON object with all fields'
env\t'NAME=value, for sh, systemd\'s EnvironmentFile and docker --env-file'
netrc\t'A line for ~/.netrc, with the site\'s host and the login'
curl\t'A configuration for curl -K, with login and password'
k8s-secret\t'A Kubernetes Secret with login and password'
docker-secret\t'The password without a line end'"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l out-file -d 'Write the password to this file, which is replaced whole' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l set-key -d 'Set only this key of --out-file, a .env or JSON file that exists; all else in it stays byte for byte' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l mode -d 'Mode of --out-file, in octal (default: 0600, or that of the existing file)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l out-fd -d 'Write the password to this file descriptor, which the caller opened' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l exec -d 'Run this in a shell with the password on its standard input; its exit code decides' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l encrypt-to -d 'Encrypt for an age or SSH public key, or for those in a file (repeatable)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l seal-to -d 'Encrypt into a sealed box for this base64 public key, as APIs for a forge\'s secrets want it' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l var -d 'What the password is called in env (default: WP_APP_PASSWORD), json and k8s-secret (default: password)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l username -d 'Login to write where a format has one (default: the user\'s)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l secret-name -d 'Name of the object with --format=k8s-secret (default: wp-app-password)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l expires -d 'Refuse it from then on: 90d, or a time in UTC such as 2027-03-01 or 2027-03-01T14:00:00Z' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l allow -d 'Allow only these methods and routes of the REST API: \'GET,PUT /wc/v3/products*\' (repeatable)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l allow-net -d 'Allow it only from this address or network: 192.0.2.7, 10.0.0.0/8, 2001:db8::/32 (repeatable)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l note -d 'A note for people' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l owner -d 'Who answers for it, for people' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l dry-run -d 'Show what would be done and change nothing (exit code 2 if anything would)'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l no-live -d 'Check the new password against the database only'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l takeover -d 'Don\'t wait for a run on another machine or in another container that may still be at work'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l porcelain -d 'Output just the new password'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l json -d 'Report what was done as one JSON object, with the password in it if it goes to standard output'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l force -d 'Write --out-file even where everybody may replace files of its folder'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l with-user -d 'With --format=env, add lines for the login and the site\'s address'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l read-only -d 'Allow only methods that read (GET, HEAD, OPTIONS)'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand ensure" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l password-file -d 'File that holds the password (default: standard input, or a prompt on a terminal)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l password-fd -d 'Open file descriptor to read the password from' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l live -d 'Ask the site too, over its REST API (default address: WP_HOME, else the one in the database)' -r -f
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l timeout -d 'With --live, how long all of it may take' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l format -d 'Print the answer with all that was found' -r -f -a "json\t'One JSON object'"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l xmlrpc -d 'With --live, ask over XML-RPC as well'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l porcelain -d 'Output just the uuid of the application password'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l user -d 'Look only at the application passwords of this user' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l field -d 'Print the value of a single field' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l fields -d 'Limit the output to specific fields' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l format -d 'Render output in a particular format' -r -f -a "table\t''
csv\t''
json\t''
yaml\t''"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l scan -d 'Look for passwords inside any text or binary, and in all files of a folder; links are not followed'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l generic-only -d 'Compare only with fast hashes ($generic$, WordPress 6.8 and newer), and leave the slow ones out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l revoke -d 'Revoke what is found; asks on a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -s y -l yes -d 'Don\'t ask'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand identify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l format -d 'Render the report in a particular format' -r -f -a "table\t''
json\t''
jsonl\t''
csv\t''
yaml\t''
sarif\t''
junit\t''
nagios\t''
prometheus\t''
html\t''"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l output -d 'Write the report to this file, beside it first and renamed when it is whole' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l fail-on -d 'End with 2 where something at least this grave was found (default: warning)' -r -f -a "info\t''
warning\t''
critical\t''
never\t''"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l baseline -d 'Report only what this earlier baseline does not know' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l write-baseline -d 'Write what was found as the new baseline, to this file or the one of --baseline, and end with 0' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l explain -d 'Explain a rule, or list all of them, and look at nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l policy -d 'Policy file (TOML): rules on or off, thresholds, severities, exceptions. Flags beat it' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l rule -d 'Look at these rules only (repeatable, or separated by commas)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l skip-rule -d 'Don\'t look at these rules (repeatable, or separated by commas)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l never-used-for -d 'Report what was never used, when it is older than this (default: 30d)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l unused-for -d 'Report what was not used for this long (default: 90d)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l older-than -d 'Report what is older than this (default: 365d)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l expiring-within -d 'Report what expires within this time (default: 14d)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l more-than -d 'Report users with more than this many (default: 10)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l allow-net -d 'Report what was last used from outside these networks (repeatable): 192.0.2.0/24, 2001:db8::/32' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l since -d 'Report what was created since then: 2026-11-20, 2026-11-20T14:00:00Z, or a time ago such as 3d' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand audit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l format -d 'Render output in a particular format' -r -f -a "table\t''
json\t''"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l timeout -d 'How long all of it may take (15s, 1m)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand discover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l name -d 'Name of the application, which the user sees and can change' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l app-id -d 'Application ID to attribute to the application password: a UUID in lower case' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l success-url -d 'Print the address of the authorization screen for an application of your own that is called back here' -r -f
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l reject-url -d 'The same, called back when the user rejects (default: --success-url with success=false)' -r -f
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l login -d 'Login of the user who approves, where the screen shows the password (default: asked on a terminal)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l timeout -d 'How long the user may take (--paste waits as long as standard input does)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l format -d 'Form in which the password is written' -r -f -a "plain\t'The password and a line end'
json\t'One JSON object with all fields'
env\t'NAME=value, for sh, systemd\'s EnvironmentFile and docker --env-file'
netrc\t'A line for ~/.netrc, with the site\'s host and the login'
curl\t'A configuration for curl -K, with login and password'
k8s-secret\t'A Kubernetes Secret with login and password'
docker-secret\t'The password without a line end'"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l out-file -d 'Write the password to this file, which is replaced whole' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l set-key -d 'Set only this key of --out-file, a .env or JSON file that exists; all else in it stays byte for byte' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l mode -d 'Mode of --out-file, in octal (default: 0600, or that of the existing file)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l out-fd -d 'Write the password to this file descriptor, which the caller opened' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l exec -d 'Run this in a shell with the password on its standard input; its exit code decides' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l encrypt-to -d 'Encrypt for an age or SSH public key, or for those in a file (repeatable)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l seal-to -d 'Encrypt into a sealed box for this base64 public key, as APIs for a forge\'s secrets want it' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l var -d 'What the password is called in env (default: WP_APP_PASSWORD), json and k8s-secret (default: password)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l username -d 'Login to write where a format has one (default: the user\'s)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l secret-name -d 'Name of the object with --format=k8s-secret (default: wp-app-password)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l no-browser -d 'Show the address to open instead of opening it'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l paste -d 'Don\'t wait for the browser: the screen shows the password, and you type it in or give it on standard input'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l porcelain -d 'Output just the new password'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l force -d 'Write --out-file even where everybody may replace files of its folder'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l with-user -d 'With --format=env, add lines for the login and the site\'s address'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand authorize" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l role -d 'Role on this site, as the site\'s own role map has it' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l email -d 'E-mail address of the user: nobody else\'s, and WordPress writes to it' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l name -d 'Name of the application password (default: the login)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l app-id -d 'Application ID to attribute to a new application password' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l user-password -d 'Let a new user log in by form too, with the password in this file (-: standard input); else no password does' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l overlap -d 'Keep the old password for this long (24h, 7d); without it, it is revoked when the new one was delivered' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l live -d 'Require that the site at this address accepts the new password before it is delivered (default: the site\'s own address, where it can be reached over HTTPS)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l hash -d 'How to hash the password' -r -f -a "auto\t'What this site\'s WordPress would write, bcrypt where its version is unknown (default)'
bcrypt\t'Accepted by every WordPress since 5.6; slow to check'
generic\t'BLAKE2b, WordPress 6.8 and newer only'
phpass\t'MD5-based, accepted by every WordPress since 5.6'"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l bcrypt-cost -d 'Cost of bcrypt (default: 10): each step doubles what one check costs' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l format -d 'Form in which the password is written' -r -f -a "plain\t'The password and a line end'
json\t'One JSON object with all fields'
env\t'NAME=value, for sh, systemd\'s EnvironmentFile and docker --env-file'
netrc\t'A line for ~/.netrc, with the site\'s host and the login'
curl\t'A configuration for curl -K, with login and password'
k8s-secret\t'A Kubernetes Secret with login and password'
docker-secret\t'The password without a line end'"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l out-file -d 'Write the password to this file, which is replaced whole' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l set-key -d 'Set only this key of --out-file, a .env or JSON file that exists; all else in it stays byte for byte' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l mode -d 'Mode of --out-file, in octal (default: 0600, or that of the existing file)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l out-fd -d 'Write the password to this file descriptor, which the caller opened' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l exec -d 'Run this in a shell with the password on its standard input; its exit code decides' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l encrypt-to -d 'Encrypt for an age or SSH public key, or for those in a file (repeatable)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l seal-to -d 'Encrypt into a sealed box for this base64 public key, as APIs for a forge\'s secrets want it' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l var -d 'What the password is called in env (default: WP_APP_PASSWORD), json and k8s-secret (default: password)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l username -d 'Login to write where a format has one (default: the user\'s)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l secret-name -d 'Name of the object with --format=k8s-secret (default: wp-app-password)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l expires -d 'Refuse it from then on: 90d, or a time in UTC such as 2027-03-01 or 2027-03-01T14:00:00Z' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l allow -d 'Allow only these methods and routes of the REST API: \'GET,PUT /wc/v3/products*\' (repeatable)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l allow-net -d 'Allow it only from this address or network: 192.0.2.7, 10.0.0.0/8, 2001:db8::/32 (repeatable)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l note -d 'A note for people' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l owner -d 'Who answers for it, for people' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l set-role -d 'Change the role of a user who is there already'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -s y -l yes -d 'Give a role that can change the site itself, or take such a role away, without asking'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l no-live -d 'Check the new password against the database only'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l takeover -d 'Don\'t wait for a run on another machine or in another container that may still be at work'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l porcelain -d 'Output just the new password'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l json -d 'Report what was done as one JSON object, with the password in it if it goes to standard output'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l force -d 'Write --out-file even where everybody may replace files of its folder'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l with-user -d 'With --format=env, add lines for the login and the site\'s address'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l read-only -d 'Allow only methods that read (GET, HEAD, OPTIONS)'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand provision" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -s y -l yes -d 'Don\'t ask, and do it to a user too who can log in by form or can change the site itself'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand deprovision" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -f -a "install" -d 'Write the plugin to the folder of must-use plugins, or replace an older version'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -f -a "status" -d 'Say whether the plugin is installed. Exit codes: 0 yes, in this version; 4 no; 1 it could not be told'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and not __fish_seen_subcommand_from install status remove" -f -a "remove" -d 'Remove the plugin: what has expired works again, and restrictions restrict nothing'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l format -d 'Render output in a particular format' -r -f -a "table\t''
json\t''"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand enforcer; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l address -d 'Address to ask with --live and --probe (default: the site\'s own)' -r -f
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l timeout -d 'How long each question to the site may take (15s, 1m)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l format -d 'Render output in a particular format' -r -f -a "table\t''
json\t''
jsonl\t''
csv\t''
yaml\t''
sarif\t''
junit\t''
nagios\t''
prometheus\t''
html\t''"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l fail-on -d 'From here on the exit code is 2' -r -f -a "warning\t''
problem\t''
never\t''"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l explain -d 'Explain a check (or all of them) instead: why it matters, what to do' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l live -d 'Ask the site over HTTP too: its REST index. Sends no password'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l probe -d 'Make an application password for the user, ask the site whether it accepts it, and revoke it'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l format -d 'Render output in a particular format' -r -f -a "table\t''
json\t''
yaml\t''"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l show-secrets -d 'Show passwords and salts too'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand site" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l path -d 'Path to the WordPress files (default: found upward from the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l db -d 'Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l wp-config -d 'Configuration to evaluate, instead of the wp-config.php of the WordPress root' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l env-file -d 'Environment of the web server\'s PHP: lines of NAME=value, or /proc/PID/environ (repeatable)' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l table-prefix -d 'Prefix of the tables with --db (default: wp_), or where the site\'s configuration leaves it open' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l url -d 'Site of a network, by its address' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l alias -d 'Alias of the site in WP-CLI\'s configuration, as @name before the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l expect-url -d 'Refuse to work unless the database is this site\'s (its siteurl or home)' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l cache -d 'Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l after-write -d 'Run this in a shell after each write, for instance to flush a cache; its failure fails the command' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l confirm -d 'Watch what was written for this many seconds, and put right what WordPress overwrites' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l journal -d 'Append a record of each change to this file: one JSON object a line' -r -F
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l debug -d 'Say on stderr which site, database and version were found, and how' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l user -d 'Acting user, as WP-CLI takes it: must exist, changes nothing' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l skip-plugins -d 'Without effect: plugins are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l skip-themes -d 'Without effect: themes are never loaded' -r
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l assume-env -d 'Take what the configuration falls back to where an environment variable is not set here'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l php -d 'Evaluate the configuration with this machine\'s PHP, which runs the site\'s code'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l sandbox -d 'Use a private WordPress database on this machine, made on first use, to try things out'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l no-cache -d 'Assert that the site has no persistent object cache'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l no-confirm -d 'Don\'t look again at what was written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l journal-required -d 'Change nothing unless the file of the journal can be written'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l replace-unreadable -d 'When a user\'s stored list is damaged, replace it and keep the old bytes in a second meta row'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l quiet -d 'Suppress informational messages'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l color -d 'Colorize labels also where stdout is not a terminal'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l no-color -d 'Never colorize'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l skip-packages -d 'Without effect: packages are never loaded'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -l allow-root -d 'With --php, run code of root\'s own files as root; else without effect'
complete -c wp-app-password -n "__fish_wp_app_password_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
