// Learns three tokenizers (BPE, WordPiece, Unigram) from the same texts, shows the first merges and compares how they cut held-out text.
// Usage: dotnet run -c Release -- VOCABULARY-SIZE TEXT-FILE [TEXT-FILE ...]
using System.Globalization;
using System.Text;
using Kotonoha.Tokenizers;

if (args.Length < 2)
{
    Console.Error.WriteLine("Usage: dotnet run -c Release -- VOCABULARY-SIZE TEXT-FILE [TEXT-FILE ...]");
    return 1;
}

Console.OutputEncoding = Encoding.UTF8;
int size = int.Parse(args[0], CultureInfo.InvariantCulture);

// 1. Every fifth line of each text is held out: a tokenizer is judged on text that it has not seen.
var texts = args[1..].ToDictionary(file => file, file => File.ReadLines(file).Where(line => line.Length > 0).ToArray());
string[] train = [.. texts.Values.SelectMany(lines => lines.Where((_, i) => i % 5 != 0))];

// 2. Byte-level BPE begins with the 256 bytes and joins the most frequent pair again and again: its ids are the order of the merges.
var bpe = Tokenizer.TrainByteLevelBpe(train, size, specialTokens: ["<|endoftext|>"]);
const int FirstMerge = 1 + 256;
Console.WriteLine("the first merges: " + string.Join(' ', Enumerable.Range(FirstMerge, Math.Min(12, bpe.VocabularySize - FirstMerge))
    .Select(id => $"'{Shown(bpe, id)}'")));

// 3. The longest word of the first text, as the vocabulary grows. Fewer pieces: what is frequent has become a token of its own.
var word = texts[args[1]].SelectMany(line => line.Split(' ')).Where(w => w.All(char.IsLetter)).MaxBy(w => w.Length) ?? "tokenizer";
foreach (int smaller in (int[])[FirstMerge, FirstMerge + (size - FirstMerge) / 8, FirstMerge + (size - FirstMerge) / 2, size])
{
    var grown = Tokenizer.TrainByteLevelBpe(train, smaller, specialTokens: ["<|endoftext|>"]);
    Console.WriteLine($"{smaller,6} tokens: " + string.Join('|', grown.Encode(" " + word).Select(id => Shown(grown, id))));
}

// 4. WordPiece chooses the longest piece from the left, Unigram the most likely cut of a word by the pieces' probabilities.
var wordPiece = Tokenizer.TrainWordPiece(train, new WordPieceTrainingOptions { VocabularySize = size });
var unigram = Tokenizer.TrainUnigram(train, new UnigramTrainingOptions { VocabularySize = size });

// 5. Compression (bytes a token: more is better), fertility (tokens a word: 1 is the best there is; of text without blanks look at tokens a
// character), and how much is lost: characters that were never seen become the unknown token, save for BPE, which has all bytes.
Console.WriteLine($"{"",-12}{"tokens",8}{"bytes/token",13}{"tokens/char",13}{"tokens/word",13}{"unknown",9}  held-out text");
foreach (var (file, lines) in texts)
{
    string[] heldOut = [.. lines.Where((_, i) => i % 5 == 0)];
    Report("bytes", heldOut.Sum(Encoding.UTF8.GetByteCount), 0, heldOut, file);
    foreach (var (name, tokenizer, unknown) in ((string, Tokenizer, int?)[])[("BPE", bpe, null),
        ("WordPiece", wordPiece, wordPiece.TokenToId("[UNK]")), ("Unigram", unigram, unigram.TokenToId("<unk>"))])
    {
        int[] ids = [.. heldOut.SelectMany(line => tokenizer.Encode(line, addSpecialTokens: false))];
        Report(name, ids.Length, ids.Count(id => id == unknown), heldOut, file);
    }
}

// 6. Byte-level BPE loses nothing.
int lost = texts.Values.SelectMany(lines => lines).Count(line => bpe.Decode(bpe.Encode(line)) != line);
Console.WriteLine($"lines that BPE does not give back letter by letter: {lost}");
return lost == 0 ? 0 : 2;

// A token may be a part of a character: it is shown as tokenizer.json has it, a sign for each byte.
static string Shown(Tokenizer tokenizer, int id)
    => tokenizer.Decode([id]) is var text && text.Contains('\uFFFD') ? tokenizer.IdToToken(id)! : text;

static void Report(string name, int tokens, int unknown, string[] texts, string file)
{
    double bytes = texts.Sum(Encoding.UTF8.GetByteCount), characters = texts.Sum(text => text.Length),
        words = texts.Sum(text => text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length);
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-12}{tokens,8}{bytes / tokens,13:F2}{tokens / characters,13:F2}"
        + $"{tokens / words,13:F2}{100.0 * unknown / tokens,8:F1}%  {file}"));
}
