<?php
/**
 * Turns an installed site into a network, as Tools, Network Setup does: network.php SITE tables, and, once
 * wp-config.php has the constants, network.php SITE sites, which adds the site /second/ with every user in it.
 */
require __DIR__ . '/boot.php';
[ , $site, $step ] = $argv;
$url = file_get_contents( $site . '/.rig-url' );
rig_server( $url );
require $site . '/wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';
$domain = substr( $url, strlen( 'http://' ) );

if ( 'tables' === $step ) {
	require ABSPATH . 'wp-admin/includes/network.php';
	foreach ( $wpdb->tables( 'ms_global' ) as $name => $table ) {
		$wpdb->$name = $table;
	}
	install_network();
	$done = populate_network( 1, $domain, 'admin@example.com', 'Test network', '/', false );
} else {
	$done = wpmu_create_blog( $domain, '/second/', 'Second site', 1, array( 'public' => 1 ), 1 );
	if ( ! is_wp_error( $done ) ) {
		foreach ( array( 2 => 'editor', 3 => 'author', 4 => 'subscriber', 5 => 'editor' ) as $user => $role ) {
			add_user_to_blog( $done, $user, $role );
		}
	}
}
// Without a wildcard record for subdomains populate_network() warns; for folders it returns true.
if ( is_wp_error( $done ) && 'no_wildcard_dns' !== $done->get_error_code() ) {
	fwrite( STDERR, $done->get_error_code() . ': ' . $done->get_error_message() . "\n" );
	exit( 1 );
}
