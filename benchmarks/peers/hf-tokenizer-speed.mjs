// Times Hugging Face's Rust tokenizers for `benchmarks tokenizer-peer`: commands as JSON lines on stdin, {seconds, wall, tokens} on stdout. One thread;
// seconds of processor time, which a busy machine hardly changes, and by the clock.
//   {op: "encode", tokenizer, lines}   the lines of a file one by one, as a caller does it, with their ids as JavaScript numbers
//   {op: "batch", tokenizer, lines}    the lines in one batch whose ids nobody reads: the library alone (the binding computes offsets in any case)
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
  let start, clock, seconds, wall, tokens = 0;
  if (op === 'train') {
    const tokenizer = new Tokenizer(BPE.empty());
    tokenizer.setPreTokenizer(byteLevelPreTokenizer(false));
    clock = performance.now();
    start = process.cpuUsage();
    tokenizer.train([corpus]);
    stop();
  } else {
    if (!kept.has(file)) {
      const tokenizer = Tokenizer.fromFile(file);
      tokenizer.disableTruncation();
      tokenizer.disablePadding();
      kept.set(file, tokenizer);
    }
    if (!kept.has(lines)) kept.set(lines, readFileSync(lines, 'utf8').split('\n').map(l => l + '\n'));
    const [library, texts] = [kept.get(file), kept.get(lines)];
    clock = performance.now();
    start = process.cpuUsage();
    if (op === 'batch') {
      const encodings = await library.encodeBatch(texts, { addSpecialTokens: false });
      stop();
      for (const encoding of encodings) tokens += encoding.getLength();
    } else {
      for (const text of texts) tokens += (await library.encode(text, null, { addSpecialTokens: false })).getIds().length;
      stop();
    }
  }
  console.log('\n' + JSON.stringify({ seconds, wall, tokens }));

  function stop() {
    const used = process.cpuUsage(start);
    [seconds, wall] = [(used.user + used.system) / 1e6, (performance.now() - clock) / 1e3];
  }
}
