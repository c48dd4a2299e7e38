<?php
// The oracle for tests/suite/site.rs: what PHP itself makes of a wp-config.php.
// Usage: php wp_config.php ROOT CONFIG RESULT REQUEST, where REQUEST is JSON for $_SERVER.
// ROOT holds a wp-settings.php that calls oracle_write(); as in wp-load.php, ABSPATH is defined first. Writes constants, global variables, and the
// error that ended it, to RESULT as JSON, strings in base64.

$oracle_arguments = $argv;
chdir($argv[1]);
$_SERVER = array_merge($_SERVER, json_decode($argv[4], true));
unset($argv, $argc, $_SERVER['argv'], $_SERVER['argc']);

function oracle_plain($value)
{
    if (is_string($value)) {
        return ['string' => base64_encode($value)];
    }
    if (is_array($value)) {
        $entries = [];
        foreach ($value as $key => $element) {
            $entries[] = [base64_encode((string) $key), oracle_plain($element)];
        }
        return ['array' => $entries];
    }
    if (is_float($value)) {
        return ['float' => base64_encode((string) $value)];
    }
    return is_scalar($value) || is_null($value) ? ['plain' => $value] : ['object' => get_debug_type($value)];
}

function oracle_write($arguments)
{
    static $written = false;
    if ($written) {
        return;
    }
    $written = true;
    $constants = array_map('oracle_plain', get_defined_constants(true)['user'] ?? []);
    $skipped = ['GLOBALS', '_GET', '_POST', '_COOKIE', '_FILES', '_SERVER', '_ENV', '_REQUEST', 'oracle_arguments'];
    $variables = array_map('oracle_plain', array_diff_key($GLOBALS, array_flip($skipped)));
    $last = error_get_last();
    $fatal = E_ERROR | E_PARSE | E_COMPILE_ERROR | E_CORE_ERROR | E_RECOVERABLE_ERROR;
    $died = $last !== null && ($last['type'] & $fatal) ? $last['message'] : null;
    file_put_contents($arguments[3], json_encode(['constants' => $constants, 'variables' => $variables, 'died' => $died], JSON_INVALID_UTF8_SUBSTITUTE));
}

register_shutdown_function('oracle_write', $oracle_arguments);
define('ABSPATH', $oracle_arguments[1] . '/');
require $oracle_arguments[2];
