<?php
/**
 * Plugin Name: Test rig
 *
 * Keeps a site off the network and from sending mail, and answers `?rig_sleep=MS` slowly, so that a test can see
 * whether requests overlap.
 */
add_filter( 'pre_http_request', static fn() => new WP_Error( 'rig', 'No network in tests.' ) );

if ( ! function_exists( 'wp_mail' ) ) {
	function wp_mail() {
		return true;
	}
}

if ( isset( $_GET['rig_sleep'] ) ) {
	$rig_began = microtime( true );
	usleep( 1000 * min( 10000, (int) $_GET['rig_sleep'] ) );
	header( 'Content-Type: application/json' );
	echo json_encode( array( 'pid' => getmypid(), 'began' => $rig_began, 'ended' => microtime( true ) ) );
	exit;
}
