<?php
/**
 * Turns the rig's facts (KEY TAB VALUE, a dot in KEY goes one level down) into rig.json.
 */
$all = array();
foreach ( file( $argv[1], FILE_IGNORE_NEW_LINES ) as $line ) {
	[ $key, $value ] = explode( "\t", $line, 2 );
	$at = &$all;
	foreach ( explode( '.', $key ) as $part ) {
		$at = &$at[ $part ];
	}
	$at = match ( true ) {
		'true' === $value, 'false' === $value => 'true' === $value,
		(bool) preg_match( '/\.port$/', $key ) => (int) $value,
		default => $value,
	};
	unset( $at );
}
ksort( $all['sites'] );
ksort( $all['servers'] );
echo json_encode( $all, JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR ), "\n";
