<?php
/**
 * Plugin Name: {NAME}
 *
 * A persistent object cache for the tests. It names its entries, and asks for them, as the drop-in does whose
 * name it carries: RIG_CACHE is `redis-cache` (Redis Object Cache), `wp-redis` (WP Redis) or `memcached` (the
 * Memcached drop-in with its `flush_number_v4` under `WP_Object_Cache_global`). tests/vectors/object_cache_drop_ins.json
 * holds what the real ones did.
 */

function wp_cache_init() {
	$GLOBALS['wp_object_cache'] = new WP_Object_Cache();
}
function wp_cache_add( $key, $data, $group = '', $expire = 0 ) {
	return $GLOBALS['wp_object_cache']->store( $key, $data, $group, 'add' );
}
function wp_cache_replace( $key, $data, $group = '', $expire = 0 ) {
	return $GLOBALS['wp_object_cache']->store( $key, $data, $group, 'replace' );
}
function wp_cache_set( $key, $data, $group = '', $expire = 0 ) {
	return $GLOBALS['wp_object_cache']->store( $key, $data, $group, 'set' );
}
function wp_cache_get( $key, $group = '', $force = false, &$found = null ) {
	return $GLOBALS['wp_object_cache']->get( $key, $group, $force, $found );
}
function wp_cache_delete( $key, $group = '' ) {
	return $GLOBALS['wp_object_cache']->delete( $key, $group );
}
function wp_cache_incr( $key, $offset = 1, $group = '' ) {
	$value = max( 0, (int) wp_cache_get( $key, $group ) + $offset );
	wp_cache_set( $key, $value, $group );
	return $value;
}
function wp_cache_decr( $key, $offset = 1, $group = '' ) {
	return wp_cache_incr( $key, -$offset, $group );
}
function wp_cache_flush() {
	return $GLOBALS['wp_object_cache']->flush();
}
function wp_cache_close() {
	return true;
}
function wp_cache_add_global_groups( $groups ) {
	$GLOBALS['wp_object_cache']->global_groups += array_fill_keys( (array) $groups, true );
}
function wp_cache_add_non_persistent_groups( $groups ) {
	$GLOBALS['wp_object_cache']->local_groups += array_fill_keys( (array) $groups, true );
}
function wp_cache_switch_to_blog( $blog_id ) {
	$GLOBALS['wp_object_cache']->switch_to_blog( $blog_id );
}

class WP_Object_Cache {
	public $global_groups = array();
	public $local_groups  = array();
	private $memory       = array();
	private $blog         = '';
	private $shared       = '';
	private $server;
	private $flush_numbers = array();

	public function __construct() {
		global $blog_id, $table_prefix;
		$network = is_multisite();
		if ( 'wp-redis' === RIG_CACHE ) {
			$this->shared = $network ? '' : $table_prefix;
			$this->blog   = $network ? $blog_id . ':' : '';
		} else {
			$this->shared = $network ? '' : $table_prefix;
			$this->blog   = $network ? (string) $blog_id : $table_prefix;
		}
		if ( 'memcached' === RIG_CACHE ) {
			$this->server = new Memcached();
			foreach ( $GLOBALS['memcached_servers'] as $server ) {
				if ( str_starts_with( $server, 'unix://' ) ) {
					$this->server->addServer( substr( $server, 7 ), 0 );
				} else {
					[ $host, $port ] = explode( ':', $server );
					$this->server->addServer( $host, (int) $port );
				}
			}
			return;
		}
		$this->server = new Redis();
		if ( 'wp-redis' === RIG_CACHE ) {
			$settings = $GLOBALS['redis_server'];
			$this->server->connect( $settings['host'], $settings['port'], 1 );
			if ( isset( $settings['auth'] ) ) {
				$this->server->auth( $settings['auth'] );
			}
			$this->server->select( $settings['database'] ?? 0 );
			return;
		}
		$scheme = defined( 'WP_REDIS_SCHEME' ) ? WP_REDIS_SCHEME : 'tcp';
		if ( 'unix' === $scheme ) {
			$this->server->connect( WP_REDIS_PATH, -1, 1 );
		} else {
			$context = defined( 'WP_REDIS_SSL_CONTEXT' ) ? array( 'stream' => WP_REDIS_SSL_CONTEXT ) : array();
			$this->server->connect( ( 'tls' === $scheme ? 'tls://' : '' ) . WP_REDIS_HOST, WP_REDIS_PORT, 1, null, 0, 1, $context );
		}
		if ( defined( 'WP_REDIS_PASSWORD' ) ) {
			$this->server->auth( WP_REDIS_PASSWORD );
		}
		$this->server->select( defined( 'WP_REDIS_DATABASE' ) ? WP_REDIS_DATABASE : 0 );
	}

	public function switch_to_blog( $blog_id ) {
		if ( is_multisite() ) {
			$this->blog = 'wp-redis' === RIG_CACHE ? $blog_id . ':' : (string) $blog_id;
		}
	}

	/** The stored key; for a Redis hash an array of its name and the field. */
	public function name( $key, $group ) {
		$group = $group ?: 'default';
		$site  = isset( $this->global_groups[ $group ] ) ? $this->shared : $this->blog;
		$salt  = defined( 'WP_CACHE_KEY_SALT' ) ? WP_CACHE_KEY_SALT : '';
		switch ( RIG_CACHE ) {
			case 'redis-cache':
				$salt = defined( 'WP_REDIS_PREFIX' ) ? WP_REDIS_PREFIX : $salt;
				return trim( $salt ) . trim( $site, '_-:$' ) . ':' . strtr( $group, ':', '-' ) . ':' . strtr( $key, ':', '-' );
			case 'wp-redis':
				if ( defined( 'WP_REDIS_USE_CACHE_GROUPS' ) && WP_REDIS_USE_CACHE_GROUPS ) {
					// The field is the key as it is: only the hash's name loses its blanks.
					return array( preg_replace( '/\s+/', '', "$salt$site$group:" ), (string) $key );
				}
				return preg_replace( '/\s+/', '', "$salt$site$group:$key" );
			default:
				$salt   = '' === $salt ? '' : "$salt:";
				$kind   = isset( $this->global_groups[ $group ] ) ? 'WP_Object_Cache_global' : 'WP_Object_Cache';
				$holder = "{$salt}_:$site:$kind:flush_number_v4";
				$number = $this->flush_numbers[ $holder ] ?? $this->server->get( $holder );
				if ( ! $number ) {
					$number = (int) ( microtime( true ) * 1e6 );
					$this->server->set( $holder, $number );
				}
				$this->flush_numbers[ $holder ] = $number;
				return preg_replace( '/\s+/', '', "$salt$number:$site:$group:$key" );
		}
	}

	private function memory_key( $key, $group ) {
		return ( isset( $this->global_groups[ $group ] ) ? '' : $this->blog ) . "|$group|$key";
	}

	public function store( $key, $data, $group, $how ) {
		$group = $group ?: 'default';
		$own   = $this->memory_key( $key, $group );
		if ( is_object( $data ) ) {
			$data = clone $data;
		}
		$ok = true;
		if ( isset( $this->local_groups[ $group ] ) ) {
			$ok = 'set' === $how || ( 'add' === $how ) !== array_key_exists( $own, $this->memory );
		} else {
			$name  = $this->name( $key, $group );
			$value = serialize( $data );
			if ( $this->server instanceof Memcached ) {
				$ok = $this->server->$how( $name, $value );
			} elseif ( is_array( $name ) ) {
				if ( 'replace' === $how && ! $this->server->hExists( ...$name ) ) {
					$ok = false;
				} else {
					$ok = 'add' === $how ? $this->server->hSetNx( $name[0], $name[1], $value ) : false !== $this->server->hSet( $name[0], $name[1], $value );
				}
			} else {
				$flags = array( 'add' => array( 'nx' ), 'replace' => array( 'xx' ), 'set' => array() )[ $how ];
				$ok    = (bool) $this->server->set( $name, $value, $flags );
			}
		}
		if ( $ok ) {
			$this->memory[ $own ] = $data;
		}
		return $ok;
	}

	public function get( $key, $group, $force, &$found ) {
		$group = $group ?: 'default';
		$own   = $this->memory_key( $key, $group );
		if ( array_key_exists( $own, $this->memory ) && ( ! $force || isset( $this->local_groups[ $group ] ) ) ) {
			$found = true;
			$data  = $this->memory[ $own ];
			return is_object( $data ) ? clone $data : $data;
		}
		$value = false;
		if ( ! isset( $this->local_groups[ $group ] ) ) {
			$name  = $this->name( $key, $group );
			$value = is_array( $name ) ? $this->server->hGet( ...$name ) : $this->server->get( $name );
		}
		$found = false !== $value;
		if ( ! $found ) {
			return false;
		}
		$this->memory[ $own ] = unserialize( $value );
		return $this->memory[ $own ];
	}

	public function delete( $key, $group ) {
		$group = $group ?: 'default';
		unset( $this->memory[ $this->memory_key( $key, $group ) ] );
		if ( isset( $this->local_groups[ $group ] ) ) {
			return true;
		}
		$name = $this->name( $key, $group );
		if ( is_array( $name ) ) {
			return (bool) $this->server->hDel( ...$name );
		}
		return (bool) ( $this->server instanceof Memcached ? $this->server->delete( $name ) : $this->server->del( $name ) );
	}

	public function flush() {
		$this->memory        = array();
		$this->flush_numbers = array();
		return $this->server instanceof Memcached ? $this->server->flush() : $this->server->flushDB();
	}
}
