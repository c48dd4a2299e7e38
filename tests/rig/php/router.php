<?php
/**
 * The web server's rewrite rules, for `php -S`: files as they are, everything else to index.php, the second
 * and further sites of a network by their first path segment.
 *
 * A TLS terminator in front says so in X-Forwarded-Proto; the web server of a real site would set HTTPS.
 */
if ( 'https' === ( $_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '' ) ) {
	$_SERVER['HTTPS'] = 'on';
}
$rig_root = $_SERVER['DOCUMENT_ROOT'];
$rig_path = rawurldecode( (string) parse_url( $_SERVER['REQUEST_URI'], PHP_URL_PATH ) );
if ( str_contains( $rig_path, '/.' ) ) {
	http_response_code( 404 );
	return true;
}
foreach ( array( $rig_path, preg_replace( '#^/[^/]+(?=/(wp-.*|[^/]*\.php)$)#', '', $rig_path ) ) as $rig_try ) {
	if ( is_dir( $rig_root . $rig_try ) && is_file( $rig_root . rtrim( $rig_try, '/' ) . '/index.php' ) ) {
		$rig_try = rtrim( $rig_try, '/' ) . '/index.php';
	}
	if ( is_file( $rig_root . $rig_try ) ) {
		if ( ! str_ends_with( $rig_try, '.php' ) ) {
			return false;
		}
		break;
	}
	$rig_try = '/index.php';
}
$_SERVER['SCRIPT_NAME']     = $rig_try;
$_SERVER['PHP_SELF']        = $rig_try;
$_SERVER['SCRIPT_FILENAME'] = $rig_root . $rig_try;
unset( $_SERVER['PATH_INFO'] );
chdir( dirname( $rig_root . $rig_try ) );
require $rig_root . $rig_try;
