// Runs a PHP script on an old or new PHP that no Debian has: node tests/rig/php-wasm.mjs FOLDER VERSION SCRIPT [FILE]
//
// FOLDER holds the npm packages @php-wasm/universal and @php-wasm/node-VERSION (7-2). SCRIPT gets FILE's copy as its argument.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, version, script, file] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(join(folder, 'node_modules/@php-wasm', name, 'index.js')));
const { loadPHPRuntime, PHP } = await load('universal');
const { getPHPLoaderModule } = await load(`node-${version}`);
const php = new PHP(await loadPHPRuntime(await getPHPLoaderModule(), {}));
php.writeFile('/script.php', readFileSync(script));
if (file) php.writeFile('/file.php', readFileSync(file));
const out = await php.run({ code: "<?php $argv = array( 'script', '/file.php' ); require '/script.php';" });
process.stdout.write(out.text);
process.stderr.write(out.errors ?? '');
process.exit(out.exitCode);
