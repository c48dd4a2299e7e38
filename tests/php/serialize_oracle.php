<?php
// PHP's own word on serialize(): what the tests in tests/suite/php_roundtrip.rs compare with.
//
//   php serialize_oracle.php edits SEED COUNT
//       random values and what PHP makes of an edit; one line each:
//       operation TAB key TAB inner key TAB value TAB before TAB after      (keys and bytes in base64)
//   php serialize_oracle.php read
//       one base64 string per line in, "0" or "1 DUMP" out: does unserialize() accept it, and what is in it

error_reporting(E_ERROR|E_PARSE|E_COMPILE_ERROR);ini_set("display_errors","stderr");
ini_set('serialize_precision', '-1');

enum Suit: string { case Hearts = 'h'; case Spades = 's'; }
enum Plain { case One; }
#[AllowDynamicProperties] class Bag { public $open; protected $guarded = 1; private $hidden = 'x'; }
class SubBag extends Bag { private $hidden = 'y'; public ?int $typed = null; }
class Listed {
    public $data = [];
    public function __serialize(): array { return $this->data; }
    public function __unserialize(array $data): void { $this->data = $data; }
}
class Legacy implements Serializable {
    public $data = 'x';
    public function serialize() { return $this->data; }
    public function unserialize($data) { $this->data = $data; }
}

final class RandomValues {
    private array $objects = [];
    private array $variables = [];

    private function bytes(int $most): string {
        $bytes = '';
        for ($n = mt_rand(0, $most); $n > 0; $n--) $bytes .= chr(mt_rand(0, 255));
        return $bytes;
    }

    private function scalar() {
        switch (mt_rand(0, 9)) {
            case 0: return null;
            case 1: return (bool) mt_rand(0, 1);
            case 2: return mt_rand(-1000, 1000);
            case 3: return [PHP_INT_MAX, PHP_INT_MIN, 0, -1][mt_rand(0, 3)];
            case 4: return (mt_rand() / 7) * 10 ** mt_rand(-30, 30);
            case 5: return [NAN, INF, -INF, -0.0, 1e25, 5e-324, 100.0][mt_rand(0, 6)];
            case 6: return $this->bytes(30);
            case 7: return ['', '0', '";}', 's:1:"a";', "\0", 'Café ☕'][mt_rand(0, 5)];
            default: return 'text ' . mt_rand();
        }
    }

    private function key() {
        switch (mt_rand(0, 7)) {
            case 0: return $this->bytes(6);
            case 1: return ['name', 'uuid', 'last_used', '05', '-0', ' 1', ''][mt_rand(0, 6)];
            case 2: return mt_rand(-20, 20);
            case 3: return mt_rand(0, 200) ? mt_rand(0, 1 << 40) : PHP_INT_MAX;
            default: return mt_rand(0, 9);
        }
    }

    private function object(int $depth) {
        if ($this->objects && mt_rand(0, 2) === 0) return $this->objects[array_rand($this->objects)];
        switch (mt_rand(0, 9)) {
            case 0: $object = Suit::from(['h', 's'][mt_rand(0, 1)]); break;
            case 1: $object = Plain::One; break;
            case 2: $object = new ArrayObject($this->list($depth + 1)); break;
            case 3: $object = new DateTimeImmutable('@' . mt_rand()); break;
            case 4: $object = new SubBag(); $object->typed = mt_rand(0, 5); break;
            case 5: $object = new Listed(); $object->data = $this->list($depth + 1); break;
            case 6:
                if (mt_rand(0, 3)) { $object = new stdClass(); break; }
                $object = new Legacy(); $object->data = $this->bytes(9); break;
            default:
                $object = mt_rand(0, 1) ? new stdClass() : new Bag();
                $this->objects[] = $object;
                for ($n = mt_rand(0, 3); $n > 0; $n--) $object->{'p' . mt_rand(0, 20)} = $this->value($depth + 1);
                return $object;
        }
        $this->objects[] = $object;
        return $object;
    }

    private function value(int $depth) {
        $kind = mt_rand(0, 9);
        if ($kind < 3 && $depth < 4) return $this->list($depth + 1);
        if ($kind === 3 && $depth < 4) return $this->object($depth);
        return $this->scalar();
    }

    public function list(int $depth = 0): array {
        $list = [];
        for ($n = mt_rand($depth ? 0 : 1, 6); $n > 0; $n--) {
            $key = $this->key();
            if (mt_rand(0, 11) === 0 && $this->variables) {
                $list[$key] = &$this->variables[array_rand($this->variables)];
            } elseif (mt_rand(0, 9) === 0) {
                $variable = $this->value($depth);
                $list[$key] = &$variable;
                $this->variables[] = &$variable;
                unset($variable);
            } else {
                unset($list[$key]);
                $list[$key] = $this->value($depth);
            }
        }
        return $list;
    }
}

function key_text($key): string { return base64_encode(is_int($key) ? "i$key" : "s$key"); }

function edits(int $seed, int $count): void {
    mt_srand($seed);
    for ($made = 0; $made < $count;) {
        $before = serialize((new RandomValues())->list());
        $list = unserialize($before);
        if (!is_array($list) || !$list) continue;
        // What PHP itself does not write again as it read it says nothing about an edit.
        $stable = serialize(unserialize($before)) === $before;
        $key = array_rand($list);
        $inner = '';
        $value = [null, true, 7, 'new "value";', ''][mt_rand(0, 4)];
        $operation = ['unset', 'push', 'set', 'nest', 'clear', 'inner-set', 'inner-unset', 'inner-set', 'inner-unset'][mt_rand(0, 8)];
        if (str_starts_with($operation, 'inner')) {
            $arrays = array_keys(array_filter($list, 'is_array'));
            if (!$arrays) continue;
            $key = $arrays[array_rand($arrays)];
            $inner = $operation === 'inner-set' && mt_rand(0, 1) || !$list[$key] ? 'name' : array_rand($list[$key]);
        }
        try {
            switch ($operation) {
                case 'unset': unset($list[$key]); break;
                case 'push': $list[] = $value; break;
                case 'set': $list[$key] = $value; break;
                case 'nest': $list[$key] = []; $list[$key]['name'] = $value; break;
                case 'clear': foreach (array_keys($list) as $each) unset($list[$each]); break;
                case 'inner-set': $list[$key][$inner] = $value; break;
                case 'inner-unset': unset($list[$key][$inner]); break;
            }
            // A removed cycle would count as one more name of what it refers to until it is collected.
            gc_collect_cycles();
            $after = serialize($list);
        } catch (Error $error) {
            $after = 'error';
        }
        if (!$stable) $operation = 'unstable';
        echo implode("\t", [$operation, key_text($key), key_text($inner), base64_encode(serialize($value)),
            base64_encode($before), base64_encode($after)]), "\n";
        $made++;
    }
}

function dump($value, int $depth, int &$budget): string {
    if (--$budget < 0 || $depth > 7) return '.';
    $cast = is_scalar($value) || $value === null ? ',' . (int) $value . ',' . (int) (bool) $value . ';' : '';
    if ($value === null) return "N$cast";
    if (is_bool($value)) return ($value ? 'T' : 'F') . $cast;
    if (is_int($value)) return "i$value$cast";
    if (is_float($value)) return 'f' . (is_nan($value) ? 'nan' : bin2hex(pack('E', $value))) . $cast;
    if (is_string($value)) return 's' . bin2hex($value) . $cast;
    if ($value instanceof UnitEnum) return 'E' . bin2hex($value::class . ':' . $value->name) . ';';
    $object = is_object($value);
    $out = '[';
    if ($object) {
        $class = $value::class;
        $value = get_mangled_object_vars($value);
        if ($class === '__PHP_Incomplete_Class') {
            $class = $value['__PHP_Incomplete_Class_Name'];
            unset($value['__PHP_Incomplete_Class_Name']);
        }
        $out = 'O' . bin2hex(strtolower($class)) . '{';
    }
    foreach ($value as $key => $each) {
        if ($budget < 0) break;
        $out .= is_int($key) && !$object ? "$key=" : bin2hex($key) . '=';
        $out .= dump($each, $depth + 1, $budget);
    }
    return $out . ($object ? '}' : ']');
}

function read(): void {
    while (($line = fgets(STDIN)) !== false) {
        $bytes = base64_decode(trim($line));
        try {
            $value = unserialize($bytes);
        } catch (Throwable $refused) {
            $value = false;
        }
        if ($value === false && !str_starts_with($bytes, 'b:0;')) {
            echo "0\n";
            continue;
        }
        $budget = 400;
        echo '1 ', dump($value, 0, $budget), "\n";
    }
}

match ($argv[1] ?? '') {
    'edits' => edits((int) $argv[2], (int) $argv[3]),
    'read' => read(),
    default => exit("usage: edits SEED COUNT | read\n"),
};
