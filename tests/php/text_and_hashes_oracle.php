<?php
// What PHP itself says, for tests/suite/vectors.rs. Nothing of WordPress is needed.
//   php text_and_hashes_oracle.php make SEED COUNT   random passwords with their hashes, numbers, versions
//   php text_and_hashes_oracle.php verify            reads "base64 password, tab, hash" lines, prints 1 or 0

declare(strict_types=1);

function pick(array $from) {
	return $from[mt_rand(0, count($from) - 1)];
}

function word(string $symbols, int $length): string {
	$word = '';
	for ($i = 0; $i < $length; $i++) {
		$word .= $symbols[mt_rand(0, strlen($symbols) - 1)];
	}
	return $word;
}

function row(string $what, string $input, string $output): void {
	echo $what, "\t", base64_encode($input), "\t", base64_encode($output), "\n";
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

if ($argv[1] === 'verify') {
	while (($line = fgets(STDIN)) !== false) {
		[$password, $hash] = explode("\t", rtrim($line, "\n"));
		echo password_verify(base64_decode($password), $hash) ? '1' : '0', "\n";
	}
	exit(0);
}

mt_srand((int) $argv[2]);
for ($i = 0; $i < (int) $argv[3]; $i++) {
	$password = word(LETTERS, mt_rand(0, 3) ? 24 : mt_rand(0, 80));
	$salt = word('./' . LETTERS, 16);
	$few = ['memory_cost' => pick([8, 64]), 'time_cost' => mt_rand(1, 3), 'threads' => 1];
	$hashes = [
		crypt($password, pick(['$2y$04$', '$2a$04$', '$2b$04$', '$2x$04$']) . word('./' . LETTERS, 21) . pick(['.', 'O', 'e', 'u'])),
		crypt($password, '$5$' . substr($salt, mt_rand(0, 16)) . '$'),
		crypt($password, '$6$rounds=' . mt_rand(1000, 2000) . '$' . substr($salt, mt_rand(0, 16)) . '$'),
		crypt($password, '$1$' . substr($salt, 0, 8) . '$'),
		md5($password),
	];
	foreach (array_intersect(['argon2i', 'argon2id'], password_algos()) as $algorithm) {
		$hashes[] = password_hash($password, $algorithm, $few);
	}
	row('hash', $password, pick($hashes));

	$number = '';
	for ($k = mt_rand(0, 7); $k > 0; $k--) {
		$number .= pick([' ', "\t", "\f", '1', '0', '9', '.', 'e', 'E', '+', '-', 'x', '9223372036854775807', '9223372036854775808', '12', '_', "\0"]);
	}
	row('number', $number, is_numeric($number) ? (string) (int) $number : 'no');

	$versions = [];
	for ($v = 0; $v < 2; $v++) {
		$version = pick(['5', '6', '6.5', '6.8', '7.0', '6.08', '10']);
		for ($k = mt_rand(0, 3); $k > 0; $k--) {
			$version .= pick(['.', '-', '_', '+', 'alpha', 'beta', 'b', 'a', 'RC', 'rc', 'pl', 'p', 'dev', 'src', '1', '2', '10', '-alpha-63338', '-beta1', '.0', 'x', '-src']);
		}
		$versions[] = $version;
	}
	row('versions', implode(' ', $versions), (string) version_compare($versions[0], $versions[1]));

	$text = word("<<>>\"'!?-xmlXML(\\/ ab", mt_rand(0, 24));
	row('stripslashes', $text, stripslashes($text));
}
