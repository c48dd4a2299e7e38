<?php
/**
 * The enforcer's decisions, on any PHP from 7.2: `php enforcer_test.php ENFORCER.php`. Prints what was checked; ends with 1,
 * and says why, if anything is not as it should be. The hooks of WordPress are stubs here; tests/suite/enforcer.rs has the
 * real ones.
 */

error_reporting( -1 );
set_error_handler( function ( $number, $text, $file, $line ) {
	if ( error_reporting() & $number ) {
		throw new ErrorException( $text, 0, $number, $file, $line );
	}
	return true;
} );

$hooks = array();
function add_action( $name, $callback, $priority = 10, $arguments = 1 ) {
	global $hooks;
	$hooks[] = array( $name, $callback, $priority, $arguments );
}
function add_filter( $name, $callback, $priority = 10, $arguments = 1 ) {
	add_action( $name, $callback, $priority, $arguments );
}
function wp_get_current_user() {
	global $asked;
	$asked = true;
	return true;
}
function get_current_user_id() {
	return 7;
}
function current_filter() {
	global $filter;
	return $filter;
}
class WP_REST_Response {
	public $code;
	public $status;
	public function __construct( $data, $status ) {
		$this->code   = $data['code'];
		$this->status = $status;
	}
}
class WP_Error {
	public $code;
	public $status;
	public function __construct( $code = null, $text = '', $data = array() ) {
		$this->code   = $code;
		$this->status = isset( $data['status'] ) ? $data['status'] : null;
	}
	public function add( $code, $text, $data = null ) {
		$this->code = $code;
	}
}
class Fake_Request extends ArrayObject {
	public $method;
	public $route;
	public $parts;
	public function __construct( $method, $route, $params = array(), $parts = array() ) {
		parent::__construct( $params + $parts );
		$this->method = $method;
		$this->route  = $route;
		$this->parts  = $parts;
	}
	public function get_params() {
		return $this->getArrayCopy();
	}
	public function get_url_params() {
		return $this->parts;
	}
	public function get_method() {
		return $this->method;
	}
	public function get_route() {
		return $this->route;
	}
}

require $argv[1];

use function WpAppPassword\Enforcer\at_authentication;
use function WpAppPassword\Enforcer\at_dispatch;
use function WpAppPassword\Enforcer\at_start;
use function WpAppPassword\Enforcer\refusal;

function allows( $entry, $method, $route, $params = array() ) {
	return WpAppPassword\Enforcer\allows( $entry, new Fake_Request( $method, $route, $params ) );
}

$checked = 0;
function check( $what, $found, $expected ) {
	global $checked;
	++$checked;
	if ( $found !== $expected ) {
		echo "$what: ", var_export( $found, true ), ' where ', var_export( $expected, true ), " was expected\n";
		exit( 1 );
	}
}
function refused( $entry, $address = '192.0.2.7', $is_rest = true, $now = 1000 ) {
	$refusal = refusal( $entry, $now, $address, $is_rest );
	return null === $refusal ? null : str_replace( 'application_password_', '', $refusal[0] );
}

// What WordPress writes is nobody's concern.
$plain = array( 'uuid' => 'x', 'app_id' => '', 'name' => 'n', 'password' => 'p', 'created' => 1, 'last_used' => null, 'last_ip' => null );
check( 'plain', refused( $plain ), null );
check( 'plain, XML-RPC', refused( $plain, '', false ), null );
foreach ( array( 'expires', 'allow', 'allow_net', 'read_only' ) as $key ) {
	check( "$key is null", refused( $plain + array( $key => null ), '', false ), null );
}

check( 'before', refused( array( 'expires' => 1001 ) ), null );
check( 'at', refused( array( 'expires' => 1000 ) ), 'expired' );
check( 'after', refused( array( 'expires' => 0 ) ), 'expired' );
check( 'expires, XML-RPC', refused( array( 'expires' => 1001 ), '', false ), null );
check( 'expired, XML-RPC', refused( array( 'expires' => 999 ), '', false ), 'expired' );
foreach ( array( '1001', 1001.0, true, false, array(), array( 1001 ), '', 'never', new stdClass() ) as $wrong ) {
	check( 'wrong expires', refused( array( 'expires' => $wrong ) ), 'unreadable' );
}
foreach ( array( 1, 'true', 0, '', array() ) as $wrong ) {
	check( 'wrong read_only', refused( array( 'read_only' => $wrong ) ), 'unreadable' );
}
check( 'read_only false', refused( array( 'read_only' => false ), '', false ), null );
check( 'read_only, XML-RPC', refused( array( 'read_only' => true ), '', false ), 'rest_only' );
check( 'allow, XML-RPC', refused( array( 'allow' => array( '* /*' ) ), '', false ), 'rest_only' );
check( 'allow_net, XML-RPC', refused( array( 'allow_net' => array( '0.0.0.0/0' ) ), '192.0.2.7', false ), 'rest_only' );

$wrong_rules = array( 'GET', '/wp/v2/posts', 'get /wp/v2/posts', 'GET wp/v2/posts', 'GET  /x', ' GET /x', 'GET /x ', "GET /x\n", 'GET,/x', 'GET, PUT /x', 'GET, /x', ',GET /x', 'TRACE /x', 'GET,* /x', '', 5, null, array(), true, "GET /x\0 y" );
foreach ( $wrong_rules as $wrong ) {
	check( 'wrong rule ' . var_export( $wrong, true ), refused( array( 'allow' => array( 'GET /ok', $wrong ) ) ), 'unreadable' );
}
foreach ( array( 'GET /x', 1, true, new stdClass() ) as $wrong ) {
	check( 'wrong allow', refused( array( 'allow' => $wrong ) ), 'unreadable' );
}
foreach ( array( '10.0.0', '10.0.0.0/33', '10.0.0.0/', '/8', '10.0.0.0/8/8', '10.0.0.0/-1', '10.0.0.0/ 8', '010.0.0.1', '2001:db8::/129', 'example.com', '', 10, null, array(), '::ffff:10.0.0.0/104', '[::1]', "10.0.0.1\n", '10.0.0.1%eth0', 'fe80::1%eth0' ) as $wrong ) {
	check( 'wrong network ' . var_export( $wrong, true ), refused( array( 'allow_net' => array( '192.0.2.0/24', $wrong ) ) ), 'unreadable' );
}

$inside = array(
	array( '192.0.2.0/24', '192.0.2.7' ), array( '192.0.2.7', '192.0.2.7' ), array( '192.0.2.7/32', '192.0.2.7' ), array( '0.0.0.0/0', '8.8.8.8' ),
	array( '192.0.2.6/31', '192.0.2.7' ), array( '128.0.0.0/1', '255.1.1.1' ), array( '192.0.2.99/24', '192.0.2.7' ), array( '192.0.2.0/24', '::ffff:192.0.2.7' ),
	array( '::ffff:192.0.2.7', '192.0.2.7' ), array( '2001:db8::/32', '2001:0DB8:1::1' ), array( '::1', '0:0:0:0:0:0:0:1' ), array( '2001:db8::/33', '2001:db8:7fff::' ), array( '::/0', '2001:db8::1' ),
);
foreach ( $inside as list( $network, $address ) ) {
	check( "$address in $network", refused( array( 'allow_net' => array( '203.0.113.9', $network ) ), $address ), null );
}
$outside = array(
	array( '192.0.2.0/24', '192.0.3.7' ), array( '192.0.2.7', '192.0.2.8' ), array( '192.0.2.4/31', '192.0.2.6' ), array( '128.0.0.0/1', '127.255.255.255' ), array( '0.0.0.0/0', '2001:db8::1' ),
	array( '::/0', '192.0.2.7' ), array( '2001:db8::/33', '2001:db8:8000::' ), array( '192.0.2.0/24', '' ), array( '192.0.2.0/24', 'unknown' ), array( '192.0.2.0/24', '192.0.2.7, 10.0.0.1' ), array( '0.0.0.0/0', "192.0.2.7\n" ),
);
foreach ( $outside as list( $network, $address ) ) {
	check( "$address not in $network", refused( array( 'allow_net' => array( $network ) ), $address ), 'wrong_address' );
}
check( 'no network at all', refused( array( 'allow_net' => array() ) ), 'wrong_address' );
check( 'wrong address and expired', refused( array( 'allow_net' => array(), 'expires' => 1 ) ), 'expired' );

$entry = array( 'allow' => array( 'GET,PUT /wp/v2/posts*', '* /shop/v1/orders/*/notes', 'HEAD /h', 'POST /a.b' ) );
check( 'these rules', refused( $entry ), null );
$fits = array( 'GET /wp/v2/posts', 'GET /wp/v2/posts/7', 'HEAD /wp/v2/posts', 'PUT /wp/v2/posts/7', 'GET /wp/v2/posts-and-more', 'GET /wp/v2/posts/7/revisions/8', "GET /wp/v2/posts/a\nb", 'DELETE /shop/v1/orders/7/notes', 'OPTIONS /shop/v1/orders/7/notes', 'POST /shop/v1/orders//notes', 'HEAD /h', 'POST /a.b', 'POST /batch/v1' );
foreach ( $fits as $request ) {
	check( $request, allows( $entry, ...explode( ' ', $request, 2 ) ), true );
}
$not = array( 'POST /wp/v2/posts', 'DELETE /wp/v2/posts/7', 'OPTIONS /wp/v2/posts', 'GET /WP/v2/posts', 'GET /wp/v2/post', 'GET wp/v2/posts', 'GET //wp/v2/posts', 'GET /x/wp/v2/posts', 'GET /wp/v2/pages', 'GET /', 'GET ', 'get /wp/v2/posts', 'GET /h', "HEAD /h\n", 'POST /aXb', 'GET /shop/v1/orders/7/notes/8', 'GET /batch/v1', 'POST /Batch/v1', 'POST /batch/v1/', 'PATCH /wp/v2/posts/7' );
foreach ( $not as $request ) {
	check( $request, allows( $entry, ...explode( ' ', $request, 2 ) ), false );
}
check( 'no rule at all', allows( array( 'allow' => array() ), 'GET', '/wp/v2/posts' ), false );

$entry = array( 'read_only' => true );
foreach ( array( 'GET' => true, 'HEAD' => true, 'OPTIONS' => true, 'POST' => false, 'PUT' => false, 'PATCH' => false, 'DELETE' => false, 'get' => false, 'PURGE' => false, '' => false ) as $method => $expected ) {
	check( "read-only $method", allows( $entry, $method, '/wp/v2/posts' ), $expected );
}
check( 'read-only batch', allows( $entry, 'POST', '/batch/v1' ), false );
check( 'read-only and allow', allows( array( 'read_only' => true, 'allow' => array( '* /*' ) ), 'POST', '/wp/v2/posts' ), false );

foreach ( array( array( 'expires' => 5 ), array( 'allow' => array( '* /*' ) ), array( 'allow_net' => array( '::/0' ) ) ) as $entry ) {
	foreach ( array( '/wp/v2/users/me/application-passwords', '/WP/v2/users/7/Application-Passwords', '/wp/v2/users/7/application-passwords/x', "/wp/v2/users/7/application-passwords\n" ) as $route ) {
		check( "POST $route", allows( $entry, 'POST', $route ), false );
		check( "PUT $route", allows( $entry, 'PUT', $route ), false );
		check( "GET $route", allows( $entry, 'GET', $route ), true );
		check( "DELETE $route", allows( $entry, 'DELETE', $route ), true );
	}
	check( 'another route', allows( $entry, 'POST', '/x/v1/application-passwords-list' ), true );
	foreach ( array( 'password', 'email' ) as $key ) {
		foreach ( array( '/wp/v2/users/me', '/wp/v2/users/7', '/WP/v2/Users/ME', '/wp/v2/users/007', "/wp/v2/users/7\n", '/wc/v3/customers/7', '/buddypress/v2/members/me' ) as $route ) {
			check( "own $key, $route", allows( $entry, 'PUT', $route, array( $key => 'x' ) ), false );
		}
		check( "other people's $key", allows( $entry, 'POST', '/wp/v2/users/77', array( $key => 'x' ) ), true );
		check( "a new user's $key", allows( $entry, 'POST', '/wp/v2/users', array( $key => 'x' ) ), true );
		check( "the $key of a post", allows( $entry, 'POST', '/wp/v2/posts/7', array( $key => 'x' ) ), true );
		check( "to read is not to set a $key", allows( $entry, 'GET', '/wp/v2/users/me', array( $key => 'x' ) ), true );
	}
	check( 'own name', allows( $entry, 'PATCH', '/wp/v2/users/7', array( 'name' => 'x' ) ), true );
}

// A parameter takes the place of a part of the route of that name.
$entry = array( 'expires' => 5 );
foreach ( array( '5', 5, '5.0', '05', ' 5', '', 6, null, false, array( 5 ), true ) as $place => $sent ) {
	$request = new Fake_Request( 'GET', '/x/5', array( 'id' => $sent ), array( 'id' => '5' ) );
	foreach ( array( 'rest_pre_dispatch' => true, 'rest_request_before_callbacks' => $place < 2, 'rest_request_after_callbacks' => true ) as $filter => $expected ) {
		check( "sent in the place of a part: $place, $filter", WpAppPassword\Enforcer\allows( $entry, $request ), $expected );
	}
}
$filter = 'rest_request_before_callbacks';
check( 'what is no part', WpAppPassword\Enforcer\allows( $entry, new Fake_Request( 'GET', '/x/5', array( 'page' => '2' ), array( 'id' => '5' ) ) ), true );
check( 'nothing is sent', WpAppPassword\Enforcer\allows( $entry, new Fake_Request( 'GET', '/x/5', array(), array( 'id' => '5' ) ) ), true );
$filter = null;

// What is hooked, and what the hooks do.
$found = array();
foreach ( $hooks as list( $name, $callback, $priority, $arguments ) ) {
	check( "$name is callable", is_callable( $callback ), true );
	$found[] = "$name $priority $arguments";
}
sort( $found );
$min = PHP_INT_MIN;
$max = PHP_INT_MAX;
check( 'hooks', $found, array(
	"rest_authentication_errors $max 1", "rest_pre_dispatch $min 3", "rest_pre_dispatch $max 3", "rest_request_after_callbacks $min 3", "rest_request_after_callbacks $max 3",
	"rest_request_before_callbacks $min 3", "rest_request_before_callbacks $max 3",
	'wp_authenticate_application_password_errors 10 3',
) );

$posts = new Fake_Request( 'GET', '/wp/v2/posts' );
check( 'a visitor', at_dispatch( null, null, $posts ), null );
check( 'outside REST nobody is looked for', isset( $asked ), false );
define( 'REST_REQUEST', true );
check( 'no password', at_start( null ), null );
check( 'it is looked for', isset( $asked ), true );
check( 'another plugin', at_start( true ), true );
$_SERVER['REMOTE_ADDR'] = '192.0.2.7';
$error                  = new WP_Error();
at_authentication( $error, null, $plain );
check( 'a plain one', $error->code, null );
check( 'may do everything', at_dispatch( 'cached', null, new Fake_Request( 'POST', '/wp/v2/users/me/application-passwords' ) ), 'cached' );
at_authentication( $error, null, array( 'allow' => array( 'GET /wp/v2/posts' ) ) + $plain );
check( 'a restricted one', $error->code, null );
check( 'is let through', at_dispatch( 'cached', null, $posts ), 'cached' );
foreach ( array( 'rest_pre_dispatch' => 'WP_REST_Response', 'rest_request_before_callbacks' => 'WP_Error' ) as $filter => $class ) {
	$refused = at_dispatch( 'cached', null, new Fake_Request( 'GET', '/wp/v2/users' ) );
	check( "or is not, $filter", array( get_class( $refused ), $refused->code, $refused->status ), array( $class, 'application_password_not_allowed', 403 ) );
}
check( 'nothing was refused', at_start( true ), true );
at_authentication( $error, null, array( 'expires' => 5 ) + $plain );
check( 'an expired one', $error->code, 'application_password_expired' );
check( 'and it is said', at_start( true ), $error );
unset( $_SERVER['REMOTE_ADDR'] );
$error = new WP_Error();
at_authentication( $error, null, array( 'allow_net' => array( '0.0.0.0/0', '::/0' ) ) );
check( 'no address', $error->code, 'application_password_wrong_address' );

echo 'PHP ', PHP_VERSION, ": $checked checks\n";
