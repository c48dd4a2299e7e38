<?php
/**
 * Plugin Name: wp-app-password enforcer
 * Description: Enforces the expiry and the restrictions that wp-app-password keeps in application passwords.
 * Version: 2
 * Requires PHP: 7.2
 *
 * An entry may hold: `expires`, Unix seconds (UTC) from which on it is refused; `allow_net`, addresses and networks that
 * it may be used from; `allow`, rules like "GET,PUT /wp/v2/posts*" of which one has to fit every REST request; and
 * `read_only`, true. A key that is missing or null restricts nothing. What cannot be understood is refused.
 */

namespace WpAppPassword\Enforcer;

const READING = array( 'GET', 'HEAD', 'OPTIONS' );

/** What became of the passwords of this request: restricted entries that authenticated, and the error of one refused. */
final class Seen {
	public static $entries = array();
	public static $refusal = null;
}

/** The value of a key that is a list, parsed; empty if there is none, null if any part of it cannot be understood. */
function parse_list( $entry, $key, $parse ) {
	$list   = isset( $entry[ $key ] ) ? $entry[ $key ] : array();
	$parsed = is_array( $list ) ? array_map( __NAMESPACE__ . '\\' . $parse, $list ) : array( null );
	return in_array( null, $parsed, true ) ? null : $parsed;
}

/** "GET,PUT /route*" as array( methods, regular expression ). */
function parse_rule( $rule ) {
	$method = '(?:GET|HEAD|OPTIONS|POST|PUT|PATCH|DELETE)';
	if ( ! is_string( $rule ) || ! preg_match( "~\A(\*|$method(?:,$method)*) (/\S*)\z~", $rule, $parts ) ) {
		return null;
	}
	return array( explode( ',', $parts[1] ), '~\A' . str_replace( '\*', '.*', preg_quote( $parts[2], '~' ) ) . '\z~s' );
}

/** "192.0.2.1", "10.0.0.0/8" or "2001:db8::/32" as array( packed address, bits that count ). */
function parse_network( $network ) {
	if ( ! is_string( $network ) || ! preg_match( '~\A([^/]+)(?:/(\d{1,3}))?\z~', $network, $parts ) ) {
		return null;
	}
	$address = pack_address( $parts[1] );
	$longest = 8 * strlen( (string) $address );
	$bits    = isset( $parts[2] ) ? (int) $parts[2] : $longest;
	return null === $address || $bits > $longest ? null : array( $address, $bits );
}

/** Four or sixteen bytes, or null. An IPv4 address in the notation of IPv6 (::ffff:192.0.2.1) has four. */
function pack_address( $text ) {
	$packed = false === filter_var( $text, FILTER_VALIDATE_IP ) ? false : inet_pton( $text );
	return false === $packed ? null : preg_replace( '~\A\0{10}\xff{2}(?=.{4}\z)~s', '', $packed );
}

function is_within( $address, $network, $bits ) {
	$shift = ( 8 - $bits % 8 ) % 8;
	$last  = intdiv( $bits + 7, 8 ) - 1;
	return null !== $address && strlen( $address ) === strlen( $network )
		&& 0 === strncmp( $address, $network, intdiv( $bits, 8 ) )
		&& ( 0 === $shift || ord( $address[ $last ] ) >> $shift === ord( $network[ $last ] ) >> $shift );
}

/** Why an entry may not be used now, from this address, in this kind of request: array( code, text ), or null. */
function refusal( $entry, $now, $address, $is_rest ) {
	$expires   = isset( $entry['expires'] ) ? $entry['expires'] : PHP_INT_MAX;
	$read_only = isset( $entry['read_only'] ) ? $entry['read_only'] : false;
	$networks  = parse_list( $entry, 'allow_net', 'parse_network' );
	if ( ! is_int( $expires ) || ! is_bool( $read_only ) || null === $networks || null === parse_list( $entry, 'allow', 'parse_rule' ) ) {
		return array( 'application_password_unreadable', 'This application password has a restriction that cannot be understood.' );
	}
	if ( $expires <= $now ) {
		return array( 'application_password_expired', 'This application password has expired.' );
	}
	if ( ! $is_rest && ( $read_only || isset( $entry['allow'] ) || isset( $entry['allow_net'] ) ) ) {
		return array( 'application_password_rest_only', 'This application password is restricted, so only the REST API accepts it.' );
	}
	foreach ( $networks as $network ) {
		if ( is_within( pack_address( $address ), $network[0], $network[1] ) ) {
			return null;
		}
	}
	return isset( $entry['allow_net'] )
		? array( 'application_password_wrong_address', 'This application password may not be used from this address.' ) : null;
}

/** Whether an entry may be used for a request to the REST API. */
function allows( $entry, $request ) {
	list( $method, $route ) = array( $request->get_method(), $request->get_route() );
	// WordPress: a parameter with the name of a part of the route takes its place: /posts/5?id=6 is post 6.
	if ( 'rest_request_before_callbacks' === current_filter() && @array_diff_assoc( $request->get_url_params(), $request->get_params() ) ) {
		return false;
	}
	// Whoever could make application passwords, or set what the user logs in with, would be rid of every restriction.
	$is_self = preg_match( '~/(?:users|customers|members)/(?:me|0*' . get_current_user_id() . ')\s*\z~i', $route );
	$escapes = $is_self ? isset( $request['password'] ) || isset( $request['email'] ) : 'DELETE' !== $method && preg_match( '~/application-passwords(?![^/\s])~i', $route );
	if ( ! in_array( $method, READING, true ) && ( $escapes || ! empty( $entry['read_only'] ) ) ) {
		return false;
	}
	// WordPress asks about each part of a batch.
	if ( ! isset( $entry['allow'] ) || ( 'POST' === $method && '/batch/v1' === $route ) ) {
		return true;
	}
	foreach ( parse_list( $entry, 'allow', 'parse_rule' ) as $rule ) {
		// Whoever may GET may ask for the HEAD.
		if ( array_intersect( array( '*', $method, 'HEAD' === $method ? 'GET' : $method ), $rule[0] ) && 1 === preg_match( $rule[1], $route ) ) {
			return true;
		}
	}
	return false;
}

/** WordPress has found the entry that a password belongs to, and asks whether it may be used. */
function at_authentication( $error, $user, $entry ) {
	$refusal = refusal( $entry, time(), $_SERVER['REMOTE_ADDR'] ?? '', defined( 'REST_REQUEST' ) && REST_REQUEST );
	if ( null !== $refusal ) {
		$error->add( $refusal[0], $refusal[1], array( 'status' => 401 ) );
		Seen::$refusal = $error;
	} elseif ( isset( $entry['expires'] ) || isset( $entry['allow_net'] ) || isset( $entry['allow'] ) || isset( $entry['read_only'] ) ) {
		Seen::$entries[] = $entry;
	}
}
add_action( 'wp_authenticate_application_password_errors', __NAMESPACE__ . '\at_authentication', 10, 3 );

/** WordPress asks for errors before it looks at the password, and would treat a refused one like a visitor. */
function at_start( $result ) {
	wp_get_current_user();
	return null === Seen::$refusal ? $result : Seen::$refusal;
}
add_filter( 'rest_authentication_errors', __NAMESPACE__ . '\at_start', PHP_INT_MAX );

/** Everything that the REST API does, parts of a batch and what is embedded too; afterwards, in case its code asked for a password. */
function at_dispatch( $result, $server_or_handler, $request ) {
	defined( 'REST_REQUEST' ) && REST_REQUEST && wp_get_current_user();
	foreach ( Seen::$entries as $entry ) {
		if ( ! allows( $entry, $request ) ) {
			$error = array( 'application_password_not_allowed', 'This application password may not be used for this.', array( 'status' => 403 ) );
			// Before WordPress 6.3 an error is no answer to what is embedded.
			return 'rest_pre_dispatch' !== current_filter() ? new \WP_Error( ...$error )
				: new \WP_REST_Response( array_combine( array( 'code', 'message', 'data' ), $error ), 403 );
		}
	}
	return $result;
}
foreach ( array( 'rest_pre_dispatch', 'rest_request_before_callbacks', 'rest_request_after_callbacks' ) as $hook ) {
	add_filter( $hook, __NAMESPACE__ . '\at_dispatch', PHP_INT_MIN, 3 );
	add_filter( $hook, __NAMESPACE__ . '\at_dispatch', PHP_INT_MAX, 3 );
}
