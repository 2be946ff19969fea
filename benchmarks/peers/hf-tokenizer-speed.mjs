// Times Hugging Face's Rust tokenizers for `benchmarks tokenizer-peer`: commands as JSON lines on stdin, {seconds, tokens} on stdout. One thread;
// seconds of processor time, which a busy machine does not change.
//   {op: "encode", tokenizer, lines}   the lines of a file in one batch (the binding computes offsets in any case; their conversion to JavaScript is not timed)
//   {op: "train", file}                byte-level BPE with the binding's default settings
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { resolve } from 'node:path';

const require = createRequire(resolve(process.cwd(), 'index.js'));
const { Tokenizer, BPE, byteLevelPreTokenizer } = require('@anush008/tokenizers');
const kept = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const { op, tokenizer: file, lines, file: corpus } = JSON.parse(line);
  let start, tokens = 0;
  if (op === 'train') {
    const tokenizer = new Tokenizer(BPE.empty());
    tokenizer.setPreTokenizer(byteLevelPreTokenizer(false));
    start = process.cpuUsage();
    tokenizer.train([corpus]);
  } else {
    if (!kept.has(file)) {
      const tokenizer = Tokenizer.fromFile(file);
      tokenizer.disableTruncation();
      tokenizer.disablePadding();
      kept.set(file, tokenizer);
    }
    if (!kept.has(lines)) kept.set(lines, readFileSync(lines, 'utf8').split('\n').map(l => l + '\n'));
    start = process.cpuUsage();
    const encodings = await kept.get(file).encodeBatch(kept.get(lines), { addSpecialTokens: false });
    const used = process.cpuUsage(start);
    for (const encoding of encodings) tokens += encoding.getLength();
    console.log(JSON.stringify({ seconds: (used.user + used.system) / 1e6, tokens }));
    continue;
  }
  const used = process.cpuUsage(start);
  console.log('\n' + JSON.stringify({ seconds: (used.user + used.system) / 1e6, tokens }));
}
