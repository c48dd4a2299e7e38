<?php
/**
 * One line per server and site of rig.json.
 */
$rig = json_decode( file_get_contents( $argv[1] ), true, 16, JSON_THROW_ON_ERROR );
foreach ( $rig['servers'] as $name => $server ) {
	echo '  ', array( 'mariadb' => 'MariaDB', 'mysql' => 'MySQL', 'redis' => 'Redis', 'memcached' => 'Memcached', 'redis_secure' => 'Redis with TLS and access list' )[ $name ] ?? $name, " {$server['version']}\n";
}
foreach ( $rig['sites'] + $rig['cached_sites'] as $name => $site ) {
	$on = array( 'mariadb' => 'MariaDB', 'mysql' => 'MySQL' )[ $site['server'] ] ?? "SQLite integration {$site['sqlite_integration']}";
	echo "  WordPress {$site['version']} on $on", $site['multisite'] ? ", network, prefix {$site['prefix']}" : '',
		$site['https'] ? ", production behind TLS (nginx {$rig['nginx_version']})" : '', isset( $site['cache'] ) ? ", object cache {$site['cache']}" : '', " ($name)\n";
}
echo "  PHP {$rig['php_version']}\n";
