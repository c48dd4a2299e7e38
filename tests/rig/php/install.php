<?php
/**
 * Runs WordPress's installer: install.php SITE URL. Makes the users admin, editor1, author1, subscriber1 and
 * inventory-sync-bot, with the ids 1 to 5.
 */
require __DIR__ . '/boot.php';
[ , $site, $url ] = $argv;
rig_server( $url );
define( 'WP_INSTALLING', true );
require $site . '/wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';

wp_install( 'Test site', 'admin', 'admin@example.com', true, '', 'admin-pass' );
update_option( 'siteurl', $url );
update_option( 'home', $url );
update_option( 'permalink_structure', '/%postname%/' );
delete_option( 'rewrite_rules' );
foreach ( array(
	'editor1'            => 'editor',
	'author1'            => 'author',
	'subscriber1'        => 'subscriber',
	'inventory-sync-bot' => 'editor',
) as $login => $role ) {
	$id = wp_insert_user(
		array(
			'user_login' => $login,
			'user_pass'  => "$login-pass",
			'user_email' => "$login@example.com",
			'role'       => $role,
		)
	);
	if ( is_wp_error( $id ) ) {
		fwrite( STDERR, $id->get_error_message() . "\n" );
		exit( 1 );
	}
}
if ( ! is_blog_installed() || 5 !== (int) count_users()['total_users'] ) {
	fwrite( STDERR, "not installed\n" );
	exit( 1 );
}
