<?php
/**
 * Runs PHP code inside a site and prints what it returns as JSON:
 *
 *     php tests/rig/wp-eval.php [--url=URL] SITE_PATH 'return get_option( "home" );'
 *
 * A WP_Error comes out as {"error": CODE, "message": TEXT}. `--url` picks a site of a network. Every function
 * of WordPress's admin side that deals with users is loaded.
 */
require __DIR__ . '/php/boot.php';
$arguments = array_slice( $argv, 1 );
$url       = null;
if ( isset( $arguments[0] ) && str_starts_with( $arguments[0], '--url=' ) ) {
	$url = substr( array_shift( $arguments ), 6 );
}
[ $site, $code ] = $arguments;
error_reporting( E_ALL & ~E_DEPRECATED & ~E_NOTICE & ~E_WARNING );
ini_set( 'display_errors', 'stderr' );
rig_server( $url ?? file_get_contents( $site . '/.rig-url' ) );
require $site . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/user.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';

$result = ( static function ( string $rig_code ) {
	global $wpdb;
	return eval( $rig_code );
} )( $code );
if ( is_wp_error( $result ) ) {
	$result = array( 'error' => $result->get_error_code(), 'message' => $result->get_error_message() );
}
echo json_encode( $result, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR ), "\n";
