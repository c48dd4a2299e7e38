module completions {

  # Manage WordPress application passwords straight on the site's database
  export extern wp-app-password [
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
  ]

  def "nu-complete wp-app-password create hash" [] {
    [ "auto" "bcrypt" "generic" "phpass" ]
  }

  def "nu-complete wp-app-password create format" [] {
    [ "plain" "json" "env" "netrc" "curl" "k8s-secret" "docker-secret" ]
  }

  # Create a new application password
  export extern "wp-app-password create" [
    --app-id: string          # Application ID to attribute to the application password
    --porcelain               # Output just the new password
    --hash: string@"nu-complete wp-app-password create hash" # How to hash the password
    --bcrypt-cost: string     # Cost of bcrypt (default: 10): each step doubles what one check costs
    --expires: string         # Refuse it from then on: 90d, or a time in UTC such as 2027-03-01 or 2027-03-01T14:00:00Z
    --allow: string           # Allow only these methods and routes of the REST API: 'GET,PUT /wc/v3/products*' (repeatable)
    --allow-net: string       # Allow it only from this address or network: 192.0.2.7, 10.0.0.0/8, 2001:db8::/32 (repeatable)
    --read-only               # Allow only methods that read (GET, HEAD, OPTIONS)
    --note: string            # A note for people
    --owner: string           # Who answers for it, for people
    --format: string@"nu-complete wp-app-password create format" # Form in which the password is written
    --out-file: path          # Write the password to this file, which is replaced whole
    --set-key: string         # Set only this key of --out-file, a .env or JSON file that exists; all else in it stays byte for byte
    --mode: string            # Mode of --out-file, in octal (default: 0600, or that of the existing file)
    --force                   # Write --out-file even where everybody may replace files of its folder
    --out-fd: string          # Write the password to this file descriptor, which the caller opened
    --exec: string            # Run this in a shell with the password on its standard input; its exit code decides
    --encrypt-to: string      # Encrypt for an age or SSH public key, or for those in a file (repeatable)
    --seal-to: string         # Encrypt into a sealed box for this base64 public key, as APIs for a forge's secrets want it
    --var: string             # What the password is called in env (default: WP_APP_PASSWORD), json and k8s-secret (default: password)
    --with-user               # With --format=env, add lines for the login and the site's address
    --username: string        # Login to write where a format has one (default: the user's)
    --secret-name: string     # Name of the object with --format=k8s-secret (default: wp-app-password)
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    user: string              # User login, user email, or user ID
    app_name: string          # Name of the application
  ]

  def "nu-complete wp-app-password list format" [] {
    [ "table" "csv" "json" "count" "yaml" "ids" ]
  }

  def "nu-complete wp-app-password list orderby" [] {
    [ "uuid" "app_id" "name" "password" "created" "last_used" "last_ip" "user_id" "user_login" "stored" ]
  }

  def "nu-complete wp-app-password list order" [] {
    [ "asc" "desc" ]
  }

  # List a user's application passwords, or those of all users
  export extern "wp-app-password list" [
    --uuid: string            # Filter by the universally unique ID
    --app_id: string          # Filter by the application ID (--app-id is accepted too)
    --name: string            # Filter by the name
    --password: string        # Filter by the hashed password
    --created: string         # Filter by the time it was created, in Unix seconds UTC
    --last_used: string       # Filter by the time it was last used, in Unix seconds UTC (--last-used is accepted too)
    --last_ip: string         # Filter by the IP address it was last used from (--last-ip is accepted too)
    --user_id: string         # Without `<user>`: filter by the user's ID (--user-id is accepted too)
    --user_login: string      # Without `<user>`: filter by the user's login (--user-login is accepted too)
    --field: string           # Print the value of a single field
    --fields: string          # Limit the output to specific fields
    --format: string@"nu-complete wp-app-password list format" # Render output in a particular format
    --orderby: string@"nu-complete wp-app-password list orderby" # Set orderby which field
    --order: string@"nu-complete wp-app-password list order" # Set ascending or descending order
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    user?: string             # User login, user email, or user ID; without it, every user of the site
  ]

  def "nu-complete wp-app-password get format" [] {
    [ "table" "csv" "json" "yaml" ]
  }

  # Get one application password
  export extern "wp-app-password get" [
    --field: string           # Print the value of a single field
    --fields: string          # Limit the output to specific fields
    --format: string@"nu-complete wp-app-password get format" # Render output in a particular format
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    user: string              # User login, user email, or user ID
    uuid: string              # Universally unique ID of the application password
  ]

  # Check whether an application password for a given application exists
  export extern "wp-app-password exists" [
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    user: string              # User login, user email, or user ID
    app_name: string          # Name of the application
  ]

  def "nu-complete wp-app-password update clear" [] {
    [ "expires" "allow" "allow-net" "read-only" "note" "owner" ]
  }

  # Rename an application password
  export extern "wp-app-password update" [
    --name: string            # The new name of the application password
    --expires: string         # Refuse it from then on: 90d, or a time in UTC such as 2027-03-01 or 2027-03-01T14:00:00Z
    --allow: string           # Allow only these methods and routes of the REST API: 'GET,PUT /wc/v3/products*' (repeatable)
    --allow-net: string       # Allow it only from this address or network: 192.0.2.7, 10.0.0.0/8, 2001:db8::/32 (repeatable)
    --read-only               # Allow only methods that read (GET, HEAD, OPTIONS)
    --note: string            # A note for people
    --owner: string           # Who answers for it, for people
    --clear: string@"nu-complete wp-app-password update clear" # Take one of the options above away again (repeatable)
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    user: string              # User login, user email, or user ID
    uuid: string              # Universally unique ID of the application password
  ]

  # Record usage of an application password
  export extern "wp-app-password record-usage" [
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    user: string              # User login, user email, or user ID
    uuid: string              # Universally unique ID of the application password
  ]

  # Revoke some or all of a user's application passwords
  export extern "wp-app-password delete" [
    --all                     # Revoke all of the user's application passwords
    --keep-suspended          # Leave suspended ones alone; without this they are erased, and cannot be resumed
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    user: string              # User login, user email, or user ID
    ...uuids: string          # Universally unique IDs, separate arguments or separated by blanks
  ]

  # Revoke all application passwords of a user, or what was breached of all users
  export extern "wp-app-password revoke-all" [
    --all-users               # Those of all users (of a network: of all its sites)
    --app-id: string          # Those of this application, by the id that it gave
    --name: string            # Those of this name; letter case does not count
    --role: string            # Those of users with this role (of a network: on any site)
    --created-since: string   # Those created since then, and those that do not say when: 2026-11-20, 2026-11-20T14:00:00Z, or a time ago such as 3d
    --suspend                 # Suspend them instead: `resume` brings them back
    --keep-suspended          # Leave suspended ones alone; without this they are erased, and nothing can be resumed
    --yes(-y)                 # Don't ask
    --dry-run                 # Show what would be done and change nothing (exit code 2 if anything would)
    --max: string             # Change nothing if it would be more application passwords than this
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    user?: string             # User login, user email, or user ID
  ]

  # Revoke what is stale: not used, too old, past its date
  export extern "wp-app-password prune" [
    --unused-for: string      # Those that were not used for this long (90d), counted from their last use
    --never-used-for: string  # Those that were never used, and are older than this (30d)
    --older-than: string      # Those that are older than this, used or not
    --expired                 # Those past the expiry that was noted in them
    --rotated                 # Those whose place another took, and whose overlap is over (as `rotate --finish`)
    --rule: string            # Those that break this rule of `audit` (repeatable, or separated by commas)
    --app-id: string          # Those of this application, by the id that it gave
    --name: string            # Those of this name; letter case does not count
    --role: string            # Those of users with this role (of a network: on any site)
    --created-since: string   # Those created since then, and those that do not say when: 2026-11-20, 2026-11-20T14:00:00Z, or a time ago such as 3d
    --user: string            # Those of this user
    --suspend                 # Suspend them instead: `resume` brings them back
    --keep-suspended          # Leave suspended ones alone; without this those that are chosen are erased
    --yes(-y)                 # Don't ask
    --dry-run                 # Show what would be done and change nothing (exit code 2 if anything would)
    --max: string             # Change nothing if it would be more application passwords than this
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
  ]

  # Take application passwords out of service, so that they can be brought back
  export extern "wp-app-password suspend" [
    --all                     # All of the user's
    --all-users               # Those of all users (of a network: of all its sites)
    --app-id: string          # Those of this application, by the id that it gave
    --name: string            # Those of this name; letter case does not count
    --role: string            # Those of users with this role (of a network: on any site)
    --created-since: string   # Those created since then, and those that do not say when: 2026-11-20, 2026-11-20T14:00:00Z, or a time ago such as 3d
    --yes(-y)                 # Don't ask
    --dry-run                 # Show what would be done and change nothing (exit code 2 if anything would)
    --max: string             # Change nothing if it would be more application passwords than this
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    user?: string             # User login, user email, or user ID
    ...uuids: string          # Universally unique IDs
  ]

  # Bring suspended application passwords back into service, as they were
  export extern "wp-app-password resume" [
    --all                     # All of the user's
    --all-users               # Those of all users (of a network: of all its sites)
    --app-id: string          # Those of this application, by the id that it gave
    --name: string            # Those of this name; letter case does not count
    --role: string            # Those of users with this role (of a network: on any site)
    --created-since: string   # Those created since then, and those that do not say when: 2026-11-20, 2026-11-20T14:00:00Z, or a time ago such as 3d
    --yes(-y)                 # Don't ask
    --dry-run                 # Show what would be done and change nothing (exit code 2 if anything would)
    --max: string             # Change nothing if it would be more application passwords than this
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    user?: string             # User login, user email, or user ID
    ...uuids: string          # Universally unique IDs
  ]

  def "nu-complete wp-app-password rotate hash" [] {
    [ "auto" "bcrypt" "generic" "phpass" ]
  }

  def "nu-complete wp-app-password rotate format" [] {
    [ "plain" "json" "env" "netrc" "curl" "k8s-secret" "docker-secret" ]
  }

  # Give an integration a new password, and retire the old one when the new one was delivered
  export extern "wp-app-password rotate" [
    --name: string            # The application password of this name, if there is only one
    --all-of: string          # All of this user's
    --older-than: string      # Those that were created longer ago than this (90d): of the user, or of all users
    --app-id: string          # Those of this application: of the user, or of all users
    --finish                  # Revoke old passwords whose overlap is over: of all users, of one, or the one that is named
    --now                     # With --finish, also those whose overlap is not over
    --abort                   # Undo a rotation that did not end: the new password goes, the old one stays
    --yes(-y)                 # Don't ask: of --abort whether the new password was delivered, of several whether those of all users are meant
    --dry-run                 # Show what would be rotated and change nothing (exit code 2 if anything would)
    --overlap: string         # Keep the old password for this long (24h, 7d); without it, it is revoked when the new one was delivered
    --live: string            # Require that the site at this address accepts the new password before it is delivered (default: the site's own address, where it can be reached over HTTPS)
    --no-live                 # Check the new password against the database only
    --takeover                # Don't wait for a run on another machine or in another container that may still be at work
    --porcelain               # Output just the new password
    --json                    # Report what was done as one JSON object, with the password in it if it goes to standard output
    --hash: string@"nu-complete wp-app-password rotate hash" # How to hash the password
    --bcrypt-cost: string     # Cost of bcrypt (default: 10): each step doubles what one check costs
    --format: string@"nu-complete wp-app-password rotate format" # Form in which the password is written
    --out-file: path          # Write the password to this file, which is replaced whole
    --set-key: string         # Set only this key of --out-file, a .env or JSON file that exists; all else in it stays byte for byte
    --mode: string            # Mode of --out-file, in octal (default: 0600, or that of the existing file)
    --force                   # Write --out-file even where everybody may replace files of its folder
    --out-fd: string          # Write the password to this file descriptor, which the caller opened
    --exec: string            # Run this in a shell with the password on its standard input; its exit code decides
    --encrypt-to: string      # Encrypt for an age or SSH public key, or for those in a file (repeatable)
    --seal-to: string         # Encrypt into a sealed box for this base64 public key, as APIs for a forge's secrets want it
    --var: string             # What the password is called in env (default: WP_APP_PASSWORD), json and k8s-secret (default: password)
    --with-user               # With --format=env, add lines for the login and the site's address
    --username: string        # Login to write where a format has one (default: the user's)
    --secret-name: string     # Name of the object with --format=k8s-secret (default: wp-app-password)
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    user?: string             # User login, user email, or user ID
    uuid?: string             # Universally unique ID of the application password
  ]

  def "nu-complete wp-app-password ensure hash" [] {
    [ "auto" "bcrypt" "generic" "phpass" ]
  }

  def "nu-complete wp-app-password ensure format" [] {
    [ "plain" "json" "env" "netrc" "curl" "k8s-secret" "docker-secret" ]
  }

  # Create an application password unless there is one of that name; rotate it when it is too old
  export extern "wp-app-password ensure" [
    --app-id: string          # Application ID to attribute to a new application password
    --max-age: string         # Rotate it when it was created longer ago than this (90d)
    --dry-run                 # Show what would be done and change nothing (exit code 2 if anything would)
    --overlap: string         # Keep the old password for this long (24h, 7d); without it, it is revoked when the new one was delivered
    --live: string            # Require that the site at this address accepts the new password before it is delivered (default: the site's own address, where it can be reached over HTTPS)
    --no-live                 # Check the new password against the database only
    --takeover                # Don't wait for a run on another machine or in another container that may still be at work
    --porcelain               # Output just the new password
    --json                    # Report what was done as one JSON object, with the password in it if it goes to standard output
    --hash: string@"nu-complete wp-app-password ensure hash" # How to hash the password
    --bcrypt-cost: string     # Cost of bcrypt (default: 10): each step doubles what one check costs
    --format: string@"nu-complete wp-app-password ensure format" # Form in which the password is written
    --out-file: path          # Write the password to this file, which is replaced whole
    --set-key: string         # Set only this key of --out-file, a .env or JSON file that exists; all else in it stays byte for byte
    --mode: string            # Mode of --out-file, in octal (default: 0600, or that of the existing file)
    --force                   # Write --out-file even where everybody may replace files of its folder
    --out-fd: string          # Write the password to this file descriptor, which the caller opened
    --exec: string            # Run this in a shell with the password on its standard input; its exit code decides
    --encrypt-to: string      # Encrypt for an age or SSH public key, or for those in a file (repeatable)
    --seal-to: string         # Encrypt into a sealed box for this base64 public key, as APIs for a forge's secrets want it
    --var: string             # What the password is called in env (default: WP_APP_PASSWORD), json and k8s-secret (default: password)
    --with-user               # With --format=env, add lines for the login and the site's address
    --username: string        # Login to write where a format has one (default: the user's)
    --secret-name: string     # Name of the object with --format=k8s-secret (default: wp-app-password)
    --expires: string         # Refuse it from then on: 90d, or a time in UTC such as 2027-03-01 or 2027-03-01T14:00:00Z
    --allow: string           # Allow only these methods and routes of the REST API: 'GET,PUT /wc/v3/products*' (repeatable)
    --allow-net: string       # Allow it only from this address or network: 192.0.2.7, 10.0.0.0/8, 2001:db8::/32 (repeatable)
    --read-only               # Allow only methods that read (GET, HEAD, OPTIONS)
    --note: string            # A note for people
    --owner: string           # Who answers for it, for people
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    user: string              # User login, user email, or user ID
    app_name: string          # Name of the application
  ]

  def "nu-complete wp-app-password verify format" [] {
    [ "json" ]
  }

  # Check whether a password is one of a user's application passwords, and works
  export extern "wp-app-password verify" [
    --password-file: path     # File that holds the password (default: standard input, or a prompt on a terminal)
    --password-fd: string     # Open file descriptor to read the password from
    --live: string            # Ask the site too, over its REST API (default address: WP_HOME, else the one in the database)
    --xmlrpc                  # With --live, ask over XML-RPC as well
    --timeout: string         # With --live, how long all of it may take
    --format: string@"nu-complete wp-app-password verify format" # Print the answer with all that was found
    --porcelain               # Output just the uuid of the application password
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    user: string              # User login, user email, or user ID
  ]

  def "nu-complete wp-app-password identify format" [] {
    [ "table" "csv" "json" "yaml" ]
  }

  # Find out whose a leaked string is, or what leaked into files and logs
  export extern "wp-app-password identify" [
    --scan                    # Look for passwords inside any text or binary, and in all files of a folder; links are not followed
    --generic-only            # Compare only with fast hashes ($generic$, WordPress 6.8 and newer), and leave the slow ones out
    --revoke                  # Revoke what is found; asks on a terminal
    --yes(-y)                 # Don't ask
    --user: string            # Look only at the application passwords of this user
    --field: string           # Print the value of a single field
    --fields: string          # Limit the output to specific fields
    --format: string@"nu-complete wp-app-password identify format" # Render output in a particular format
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    ...files: path            # Files with leaked strings, `-` or nothing for standard input; with --scan, folders too
  ]

  def "nu-complete wp-app-password audit format" [] {
    [ "table" "json" "jsonl" "csv" "yaml" "sarif" "junit" "nagios" "prometheus" "html" ]
  }

  def "nu-complete wp-app-password audit fail_on" [] {
    [ "info" "warning" "critical" "never" ]
  }

  # Look at all application passwords of the site by rules, for people, cron and CI
  export extern "wp-app-password audit" [
    --format: string@"nu-complete wp-app-password audit format" # Render the report in a particular format
    --output: path            # Write the report to this file, beside it first and renamed when it is whole
    --fail-on: string@"nu-complete wp-app-password audit fail_on" # End with 2 where something at least this grave was found (default: warning)
    --baseline: path          # Report only what this earlier baseline does not know
    --write-baseline: path    # Write what was found as the new baseline, to this file or the one of --baseline, and end with 0
    --explain: string         # Explain a rule, or list all of them, and look at nothing
    --policy: path            # Policy file (TOML): rules on or off, thresholds, severities, exceptions. Flags beat it
    --rule: string            # Look at these rules only (repeatable, or separated by commas)
    --skip-rule: string       # Don't look at these rules (repeatable, or separated by commas)
    --never-used-for: string  # Report what was never used, when it is older than this (default: 30d)
    --unused-for: string      # Report what was not used for this long (default: 90d)
    --older-than: string      # Report what is older than this (default: 365d)
    --expiring-within: string # Report what expires within this time (default: 14d)
    --more-than: string       # Report users with more than this many (default: 10)
    --allow-net: string       # Report what was last used from outside these networks (repeatable): 192.0.2.0/24, 2001:db8::/32
    --since: string           # Report what was created since then: 2026-11-20, 2026-11-20T14:00:00Z, or a time ago such as 3d
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete wp-app-password discover format" [] {
    [ "table" "json" ]
  }

  # Find out whether a site has application passwords, and where users authorize an application
  export extern "wp-app-password discover" [
    --format: string@"nu-complete wp-app-password discover format" # Render output in a particular format
    --timeout: string         # How long all of it may take (15s, 1m)
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    site-address: string      # Address of the site, as a browser has it; without a scheme it is https://
  ]

  def "nu-complete wp-app-password authorize format" [] {
    [ "plain" "json" "env" "netrc" "curl" "k8s-secret" "docker-secret" ]
  }

  # Let a user approve an application in the browser, and receive its password
  export extern "wp-app-password authorize" [
    --name: string            # Name of the application, which the user sees and can change
    --app-id: string          # Application ID to attribute to the application password: a UUID in lower case
    --success-url: string     # Print the address of the authorization screen for an application of your own that is called back here
    --reject-url: string      # The same, called back when the user rejects (default: --success-url with success=false)
    --no-browser              # Show the address to open instead of opening it
    --paste                   # Don't wait for the browser: the screen shows the password, and you type it in or give it on standard input
    --login: string           # Login of the user who approves, where the screen shows the password (default: asked on a terminal)
    --timeout: string         # How long the user may take (--paste waits as long as standard input does)
    --porcelain               # Output just the new password
    --format: string@"nu-complete wp-app-password authorize format" # Form in which the password is written
    --out-file: path          # Write the password to this file, which is replaced whole
    --set-key: string         # Set only this key of --out-file, a .env or JSON file that exists; all else in it stays byte for byte
    --mode: string            # Mode of --out-file, in octal (default: 0600, or that of the existing file)
    --force                   # Write --out-file even where everybody may replace files of its folder
    --out-fd: string          # Write the password to this file descriptor, which the caller opened
    --exec: string            # Run this in a shell with the password on its standard input; its exit code decides
    --encrypt-to: string      # Encrypt for an age or SSH public key, or for those in a file (repeatable)
    --seal-to: string         # Encrypt into a sealed box for this base64 public key, as APIs for a forge's secrets want it
    --var: string             # What the password is called in env (default: WP_APP_PASSWORD), json and k8s-secret (default: password)
    --with-user               # With --format=env, add lines for the login and the site's address
    --username: string        # Login to write where a format has one (default: the user's)
    --secret-name: string     # Name of the object with --format=k8s-secret (default: wp-app-password)
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    site-address: string      # Address of the site, as a browser has it; without a scheme it is https://
  ]

  def "nu-complete wp-app-password provision hash" [] {
    [ "auto" "bcrypt" "generic" "phpass" ]
  }

  def "nu-complete wp-app-password provision format" [] {
    [ "plain" "json" "env" "netrc" "curl" "k8s-secret" "docker-secret" ]
  }

  # Make a user for a program, with a role and an application password; run again, it changes nothing
  export extern "wp-app-password provision" [
    --role: string            # Role on this site, as the site's own role map has it
    --email: string           # E-mail address of the user: nobody else's, and WordPress writes to it
    --name: string            # Name of the application password (default: the login)
    --app-id: string          # Application ID to attribute to a new application password
    --set-role                # Change the role of a user who is there already
    --yes(-y)                 # Give a role that can change the site itself, or take such a role away, without asking
    --user-password: path     # Let a new user log in by form too, with the password in this file (-: standard input); else no password does
    --overlap: string         # Keep the old password for this long (24h, 7d); without it, it is revoked when the new one was delivered
    --live: string            # Require that the site at this address accepts the new password before it is delivered (default: the site's own address, where it can be reached over HTTPS)
    --no-live                 # Check the new password against the database only
    --takeover                # Don't wait for a run on another machine or in another container that may still be at work
    --porcelain               # Output just the new password
    --json                    # Report what was done as one JSON object, with the password in it if it goes to standard output
    --hash: string@"nu-complete wp-app-password provision hash" # How to hash the password
    --bcrypt-cost: string     # Cost of bcrypt (default: 10): each step doubles what one check costs
    --format: string@"nu-complete wp-app-password provision format" # Form in which the password is written
    --out-file: path          # Write the password to this file, which is replaced whole
    --set-key: string         # Set only this key of --out-file, a .env or JSON file that exists; all else in it stays byte for byte
    --mode: string            # Mode of --out-file, in octal (default: 0600, or that of the existing file)
    --force                   # Write --out-file even where everybody may replace files of its folder
    --out-fd: string          # Write the password to this file descriptor, which the caller opened
    --exec: string            # Run this in a shell with the password on its standard input; its exit code decides
    --encrypt-to: string      # Encrypt for an age or SSH public key, or for those in a file (repeatable)
    --seal-to: string         # Encrypt into a sealed box for this base64 public key, as APIs for a forge's secrets want it
    --var: string             # What the password is called in env (default: WP_APP_PASSWORD), json and k8s-secret (default: password)
    --with-user               # With --format=env, add lines for the login and the site's address
    --username: string        # Login to write where a format has one (default: the user's)
    --secret-name: string     # Name of the object with --format=k8s-secret (default: wp-app-password)
    --expires: string         # Refuse it from then on: 90d, or a time in UTC such as 2027-03-01 or 2027-03-01T14:00:00Z
    --allow: string           # Allow only these methods and routes of the REST API: 'GET,PUT /wc/v3/products*' (repeatable)
    --allow-net: string       # Allow it only from this address or network: 192.0.2.7, 10.0.0.0/8, 2001:db8::/32 (repeatable)
    --read-only               # Allow only methods that read (GET, HEAD, OPTIONS)
    --note: string            # A note for people
    --owner: string           # Who answers for it, for people
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    login: string             # Login of the user; made if there is none
  ]

  # Revoke all application passwords of a user and take its role away; the user and its content stay
  export extern "wp-app-password deprovision" [
    --yes(-y)                 # Don't ask, and do it to a user too who can log in by form or can change the site itself
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    login: string             # Login of the user
  ]

  # Install, check or remove the plugin that makes WordPress enforce expiry and restrictions
  export extern "wp-app-password enforcer" [
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
  ]

  # Write the plugin to the folder of must-use plugins, or replace an older version
  export extern "wp-app-password enforcer install" [
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete wp-app-password enforcer status format" [] {
    [ "table" "json" ]
  }

  # Say whether the plugin is installed. Exit codes: 0 yes, in this version; 4 no; 1 it could not be told
  export extern "wp-app-password enforcer status" [
    --format: string@"nu-complete wp-app-password enforcer status format" # Render output in a particular format
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
  ]

  # Remove the plugin: what has expired works again, and restrictions restrict nothing
  export extern "wp-app-password enforcer remove" [
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete wp-app-password doctor format" [] {
    [ "table" "json" "jsonl" "csv" "yaml" "sarif" "junit" "nagios" "prometheus" "html" ]
  }

  def "nu-complete wp-app-password doctor fail_on" [] {
    [ "warning" "problem" "never" ]
  }

  # Find out why a valid application password is refused
  export extern "wp-app-password doctor" [
    --live                    # Ask the site over HTTP too: its REST index. Sends no password
    --probe                   # Make an application password for the user, ask the site whether it accepts it, and revoke it
    --address: string         # Address to ask with --live and --probe (default: the site's own)
    --timeout: string         # How long each question to the site may take (15s, 1m)
    --format: string@"nu-complete wp-app-password doctor format" # Render output in a particular format
    --fail-on: string@"nu-complete wp-app-password doctor fail_on" # From here on the exit code is 2
    --explain: string         # Explain a check (or all of them) instead: why it matters, what to do
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    user?: string             # User login, user email, or user ID: whose application passwords are refused
  ]

  def "nu-complete wp-app-password site format" [] {
    [ "table" "json" "yaml" ]
  }

  # Show which site, database and version were found, and where each setting came from
  export extern "wp-app-password site" [
    --format: string@"nu-complete wp-app-password site format" # Render output in a particular format
    --show-secrets            # Show passwords and salts too
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete wp-app-password completions shell" [] {
    [ "bash" "zsh" "fish" "powershell" "elvish" "nushell" ]
  }

  # Print the completion script of a shell
  export extern "wp-app-password completions" [
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    shell: string@"nu-complete wp-app-password completions shell" # Shell to complete in
  ]

  # Print a manual page
  export extern "wp-app-password man" [
    --path: directory         # Path to the WordPress files (default: found upward from the current directory)
    --db: string              # Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    --wp-config: path         # Configuration to evaluate, instead of the wp-config.php of the WordPress root
    --env-file: path          # Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    --assume-env              # Take what the configuration falls back to where an environment variable is not set here
    --php                     # Evaluate the configuration with this machine's PHP, which runs the site's code
    --table-prefix: string    # Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    --sandbox                 # Use a private WordPress database on this machine, made on first use, to try things out
    --url: string             # Site of a network, by its address
    --alias: string           # Alias of the site in WP-CLI's configuration, as @name before the command
    --expect-url: string      # Refuse to work unless the database is this site's (its siteurl or home)
    --cache: string           # Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set to), or `ignore` to write anyway
    --no-cache                # Assert that the site has no persistent object cache
    --after-write: string     # Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    --confirm: string         # Watch what was written for this many seconds, and put right what WordPress overwrites
    --no-confirm              # Don't look again at what was written
    --journal: path           # Append a record of each change to this file: one JSON object a line
    --journal-required        # Change nothing unless the file of the journal can be written
    --replace-unreadable      # When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    --quiet                   # Suppress informational messages
    --color                   # Colorize labels also where stdout is not a terminal
    --no-color                # Never colorize
    --debug: string           # Say on stderr which site, database and version were found, and how
    --user: string            # Acting user, as WP-CLI takes it: must exist, changes nothing
    --skip-plugins: string    # Without effect: plugins are never loaded
    --skip-themes: string     # Without effect: themes are never loaded
    --skip-packages           # Without effect: packages are never loaded
    --allow-root              # With --php, run code of root's own files as root; else without effect
    --help(-h)                # Print help (see more with '--help')
    command?: string          # Command whose page to print (default: the program's own page)
  ]

}

export use completions *
