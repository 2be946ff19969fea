// Reads cases.jsonl (tokenizer, text, ids, decoded) and holds Hugging Face's Rust tokenizers against it: node hf-tokenizers.mjs CASES
import { createRequire } from 'node:module';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { resolve } from 'node:path';

const require = createRequire(resolve(process.cwd(), 'index.js'));
const { Tokenizer } = require('@anush008/tokenizers');
const tokenizers = new Map();
let cases = 0, failures = 0;
for await (const line of createInterface({ input: createReadStream(process.argv[2]) })) {
  const { tokenizer: file, text, ids, decoded } = JSON.parse(line);
  if (!tokenizers.has(file)) tokenizers.set(file, Tokenizer.fromFile(file));
  const tokenizer = tokenizers.get(file);
  const got = (await tokenizer.encode(text)).getIds();
  const back = await tokenizer.decode(ids, false);
  cases++;
  if (JSON.stringify(got) !== JSON.stringify(ids) || back !== decoded) {
    if (++failures <= 10) console.error(`${file}\n  ${JSON.stringify(text)}\n  here  ${JSON.stringify(ids)} ${JSON.stringify(decoded)}\n  there ${JSON.stringify(got)} ${JSON.stringify(back)}`);
  }
}
console.log(`${tokenizers.size} tokenizers, ${cases} cases, ${failures} differ`);
process.exit(failures > 0 || cases === 0 ? 1 : 0);
