using System.Diagnostics;
using System.Globalization;
using System.Text;
using Kotonoha.Tokenizers;

namespace Kotonoha.Benchmarks.Fuzz;

/// <summary>
/// Hostile texts and mutated files through every tokenizer of a folder: <c>fuzz-tokenizers COUNT SEED [FOLDER]</c>. Any exception outside
/// the documented types ends the run; the slowest input is named.
/// </summary>
internal static class TokenizersFuzz
{
    private const int SlowMs = 5_000;

    private static readonly string[] Bits =
    [
        "a", "the", " the", "'s", "'LL", "'ſ", "\r\n", "\n\n", "  ", "\t", "\u00A0", "\u3000", "\u200D", "\u0301\u0323", "é", "漢字", "かな",
        "가나", "😀", "👨‍👩‍👧", "🇯🇵", "0", "123", "٣", "²",
        "<s>", "</s>", "<unk>", "<|endoftext|>", "<|im_start|>", "[CLS]", "[MASK]", "<mask>", "<0x0A>", "▁", "##", "Ġ", "\uD800", "\uDC00",
        "\uFFFD", "\0", "\u0378", "\uE000", "\U000E0001", "ß", "ﬃ", "Å", "...", "!!!", "http://x.y",
    ];

    public static int Run(string[] args)
    {
        if (args.Length is < 2 or > 3 || !long.TryParse(args[0], CultureInfo.InvariantCulture, out long count)
            || !int.TryParse(args[1], CultureInfo.InvariantCulture, out int seed))
        {
            Console.Error.WriteLine("usage: benchmarks fuzz-tokenizers COUNT SEED [FOLDER]   (FOLDER: with tokenizer files at any depth)");
            return 2;
        }

        var random = new Random(seed);
        var files = args.Length > 2 ? FilesBelow(args[2]) : [];
        var tokenizers = Load(files);
        if (files.Count == 0)
            tokenizers.Add(("trained here", Tokenizer.TrainByteLevelBpe(Bits, vocabularySize: 400)));
        Console.WriteLine($"seed {seed}, {count:N0} inputs, {tokenizers.Count} tokenizers, {files.Count} files");
        long start = Stopwatch.GetTimestamp(), refused = 0;
        var slowest = (Ms: 0.0, What: "");
        for (long i = 0; i < count; i++)
        {
            long began = Stopwatch.GetTimestamp();
            string what;
            if (files.Count > 0 && i % 8 == 7)
            {
                var (path, content) = files[random.Next(files.Count)];
                what = $"input {i}: {path} changed";
                if (!TryMutatedFile(path, Mutated(content, random), RandomText(random)))
                    refused++;
            }
            else
            {
                var (path, tokenizer) = tokenizers[random.Next(tokenizers.Count)];
                var text = RandomText(random);
                what = $"input {i}: {path}, {text.Length} characters";
                try
                {
                    Check(tokenizer, text, random);
                }
                catch (Exception exception)
                {
                    Console.Error.WriteLine($"{what}: {exception}");
                    Console.Error.WriteLine(string.Concat(text.Select(c => $"\\u{(int)c:X4}")));
                    return 1;
                }
            }

            double ms = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
            if (ms > slowest.Ms)
                slowest = (ms, what);
            if (ms > SlowMs)
            {
                Console.Error.WriteLine($"{what}: {ms:F0} ms");
                return 1;
            }
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"no crash in {count:N0} inputs ({refused:N0} changed files refused), "
                + $"{Stopwatch.GetElapsedTime(start).TotalSeconds:F0} s; the slowest took {slowest.Ms:F0} ms ({slowest.What})"));
        return 0;
    }

    /// <summary>Encodes and decodes every way; the ways must agree.</summary>
    private static void Check(Tokenizer tokenizer, string text, Random random)
    {
        bool special = random.Next(2) == 0;
        var ids = tokenizer.Encode(text, special, special);
        var detailed = tokenizer.EncodeWithOffsets(text, special, special);
        if (!ids.AsSpan().SequenceEqual(detailed.Ids.ToArray()))
            throw new InvalidOperationException("encoding with offsets gives other ids");
        foreach (var (start, end) in detailed.Offsets)
            if (start < 0 || end < start || end > text.Length)
                throw new InvalidOperationException($"offset {start} to {end} lies outside of {text.Length} characters");
        var decoded = tokenizer.Decode(ids, special);
        var stream = tokenizer.CreateStreamDecoder(special);
        var streamed = string.Concat(ids.Select(stream.Push)) + stream.Finish();
        if (decoded.Length != streamed.Length && !streamed.Contains('\uFFFD'))
            throw new InvalidOperationException("streaming gives another text");
        _ = tokenizer.Decode([.. Enumerable.Range(0, random.Next(8)).Select(_ => random.Next(-2, tokenizer.VocabularySize + 2))]);
    }

    private static bool TryMutatedFile(string path, byte[] content, string text)
    {
        try
        {
            var tokenizer = Parse(path, content);
            _ = tokenizer.Decode(tokenizer.Encode(text));
            return true;
        }
        catch (TokenizerException)
        {
            return false;
        }
    }

    private static Tokenizer Parse(string path, byte[] content) => Path.GetExtension(path) switch
    {
        ".model" => Tokenizer.ParseSentencePiece(content),
        ".tiktoken" => Tokenizer.ParseTiktoken(content, TiktokenEncoding.Cl100kBase with { SpecialTokens = new Dictionary<string, int>() }),
        _ => Tokenizer.Parse(content),
    };

    private static byte[] Mutated(byte[] content, Random random)
    {
        var changed = content.ToArray();
        for (int change = random.Next(1, 4); change > 0 && changed.Length > 1; change--)
        {
            // Half of the changes near the start, where the components stand.
            int at = random.Next(2) == 0 ? random.Next(changed.Length) : random.Next(Math.Min(changed.Length, 4096));
            int length = Math.Min(random.Next(1, 24), changed.Length - at);
            switch (random.Next(4))
            {
                case 0:
                    changed[at] = (byte)random.Next(256);
                    break;
                case 1:
                    changed = [.. changed[..at], .. changed[(at + length)..]];
                    break;
                case 2:
                    changed = [.. changed[..at], .. changed.AsSpan(random.Next(changed.Length - length + 1), length), .. changed[at..]];
                    break;
                default:
                    changed[at] = (byte)"0189\"{}[],:-.aeX\\u*+?()|^$"[random.Next(26)];
                    break;
            }
        }

        return random.Next(16) == 0 ? changed[..random.Next(changed.Length)] : changed;
    }

    private static string RandomText(Random random)
    {
        // Now and then one thing over and over, which is what quadratic work needs.
        var text = new StringBuilder();
        if (random.Next(64) == 0)
        {
            var unit = Bits[random.Next(Bits.Length)] + Bits[random.Next(Bits.Length)];
            text.Insert(0, unit, random.Next(1, 400));
        }

        for (int parts = random.Next(12); parts > 0; parts--)
            switch (random.Next(4))
            {
                case 0:
                    text.Append((char)random.Next(0x10000));
                    break;
                case 1:
                    text.Append((char)random.Next(' ', 0x7F));
                    break;
                default:
                    text.Append(Bits[random.Next(Bits.Length)]);
                    break;
            }

        return text.ToString();
    }

    private static List<(string Path, byte[] Content)> FilesBelow(string folder)
        => [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Where(file => Path.GetFileName(file) == "tokenizer.json" || Path.GetExtension(file) is ".model" or ".tiktoken")
            .Order(StringComparer.Ordinal)
            .Select(file => (file, File.ReadAllBytes(file)))];

    private static List<(string, Tokenizer)> Load(List<(string Path, byte[] Content)> files)
    {
        var tokenizers = new List<(string, Tokenizer)>();
        foreach (var (path, content) in files)
            try
            {
                tokenizers.Add((path, Parse(path, content)));
            }
            catch (TokenizerException exception)
            {
                Console.WriteLine($"left out: {exception.Message}");
            }

        return tokenizers;
    }
}
