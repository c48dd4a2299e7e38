// Evaluates a configuration without loading WordPress, and writes what it set as JSON behind a mark.
// Arguments: FILE ROOT MARK REQUEST (JSON for $_SERVER).
[ , $wpap_file, $wpap_root, $wpap_mark, $wpap_request ] = $argv;

// Reads files as ever, except that wp-settings.php is replaced by the end.
final class Wpap_Files {
	public $context;
	private $handle;
	private static function real( callable $work ) {
		stream_wrapper_restore( 'file' );
		try {
			return $work();
		} finally {
			self::begin();
		}
	}
	public static function begin() {
		stream_wrapper_unregister( 'file' );
		stream_wrapper_register( 'file', self::class );
	}
	public function stream_open( $path, $mode, $options, &$opened ) {
		if ( 'wp-settings.php' === basename( $path ) ) {
			$this->handle = fopen( 'php://memory', 'w+' );
			fwrite( $this->handle, '<?php wpap_end();' );
			rewind( $this->handle );
			return true;
		}
		// Nothing is written: the file is only asked what it says.
		if ( 'r' !== rtrim( $mode, 'bt' ) ) {
			return false;
		}
		$this->handle = self::real( fn() => @fopen( $path, $mode, (bool) ( $options & STREAM_USE_PATH ) ) );
		return (bool) $this->handle;
	}
	public function stream_read( $count ) { return fread( $this->handle, $count ); }
	public function stream_eof() { return feof( $this->handle ); }
	public function stream_close() { fclose( $this->handle ); }
	public function stream_stat() { return fstat( $this->handle ); }
	public function stream_tell() { return ftell( $this->handle ); }
	public function stream_seek( $to, $from ) { return 0 === fseek( $this->handle, $to, $from ); }
	public function stream_set_option( $option, $one, $two ) { return false; }
	public function stream_lock( $operation ) { return true; }
	public function url_stat( $path, $flags ) {
		return self::real( fn() => $flags & STREAM_URL_STAT_LINK ? @lstat( $path ) : @stat( $path ) );
	}
	private $entries;
	public function dir_opendir( $path, $options ) {
		$this->entries = self::real( fn() => @scandir( $path ) );
		return (bool) $this->entries;
	}
	public function dir_readdir() {
		$entry = current( $this->entries );
		next( $this->entries );
		return $entry;
	}
	public function dir_rewinddir() { return reset( $this->entries ) !== false; }
	public function dir_closedir() { return true; }
}

function wpap_plain( $value ) {
	if ( is_string( $value ) ) {
		return array( 'string' => base64_encode( $value ) );
	}
	if ( is_array( $value ) ) {
		$entries = array();
		foreach ( $value as $key => $element ) {
			$entries[] = array( base64_encode( (string) $key ), wpap_plain( $element ) );
		}
		return array( 'array' => $entries );
	}
	if ( is_float( $value ) ) {
		return array( 'float' => var_export( $value, true ) );
	}
	return is_scalar( $value ) || is_null( $value ) ? array( 'plain' => $value ) : array( 'object' => get_debug_type( $value ) );
}

function wpap_end() {
	static $done = false;
	if ( $done ) {
		return;
	}
	$done = true;
	while ( ob_get_level() ) {
		ob_end_clean();
	}
	$variables = array();
	foreach ( array( 'table_prefix', 'redis_server', 'memcached_servers', 'super_admins' ) as $name ) {
		if ( isset( $GLOBALS[ $name ] ) ) {
			$variables[ $name ] = wpap_plain( $GLOBALS[ $name ] );
		}
	}
	$error  = error_get_last();
	$result = array(
		'files'     => array_values( array_filter( get_included_files(), fn( $file ) => 'wp-settings.php' !== basename( $file ) ) ),
		'constants' => array_map( 'wpap_plain', get_defined_constants( true )['user'] ?? array() ),
		'variables' => $variables,
		'error'     => $error && ( $error['type'] & ( E_ERROR | E_PARSE | E_COMPILE_ERROR ) ) ? $error['line'] : null,
	);
	echo $GLOBALS['wpap_mark'], json_encode( $result, JSON_PARTIAL_OUTPUT_ON_ERROR ), "\n";
	exit( 0 );
}

if ( '' !== $wpap_root ) {
	define( 'ABSPATH', $wpap_root . '/' );
}
chdir( '' !== $wpap_root ? $wpap_root : dirname( $wpap_file ) );
$_SERVER = array_merge( $_SERVER, json_decode( $wpap_request, true ) );
unset( $argv, $argc, $_SERVER['argv'], $_SERVER['argc'] );
ob_start();
register_shutdown_function( 'wpap_end' );
Wpap_Files::begin();
require $wpap_file;
wpap_end();
