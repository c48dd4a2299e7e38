<?php
/**
 * Loads the WordPress in $argv[1] as a request to its own address would, from the command line.
 */
function rig_server( string $url ): void {
	$parts                      = parse_url( $url );
	$_SERVER['HTTP_HOST']       = $parts['host'] . ( isset( $parts['port'] ) ? ':' . $parts['port'] : '' );
	$_SERVER['SERVER_NAME']     = $parts['host'];
	$_SERVER['SERVER_PORT']     = (string) ( $parts['port'] ?? 80 );
	$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
	$_SERVER['REQUEST_METHOD']  = 'GET';
	$_SERVER['REQUEST_URI']     = $parts['path'] ?? '/';
	$_SERVER['REMOTE_ADDR']     = '127.0.0.1';
	$_SERVER['SCRIPT_NAME']     = '/index.php';
	$_SERVER['PHP_SELF']        = '/index.php';
	if ( 'https' === $parts['scheme'] ) {
		$_SERVER['HTTPS'] = 'on';
	}
}
