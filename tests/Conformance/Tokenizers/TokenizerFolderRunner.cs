using System.Text.Json;
using Kotonoha.Tokenizers;

namespace Kotonoha.Conformance.Tokenizers;

/// <summary>Folders with tokenizer.json and cases.jsonl: every field of every encoding and decoding.</summary>
internal sealed class TokenizerFolderRunner : FixtureRunner
{
    /// <inheritdoc/>
    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "tokenizer.json", SearchOption.AllDirectories)
            .Select(file => Path.GetDirectoryName(file)!)
            .Where(folder => File.Exists(Path.Combine(folder, "cases.jsonl")) && TextsOf(folder, "texts.jsonl") is not null)
            .Select(folder => Path.GetRelativePath(root, folder).Replace('\\', '/'));

    /// <inheritdoc/>
    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        if (FixtureJson.LoadOrSkip(folder, family, log) is not { } tokenizer)
            return;
        var texts = FixtureJson.Rows(TextsOf(folder, "texts.jsonl")!)
            .ToDictionary(r => r.GetProperty("id").GetInt32(), r => r.GetProperty("text").GetString()!);
        var pairs = TextsOf(folder, "pairs.jsonl") is { } file
            ? FixtureJson.Rows(file)
            .ToDictionary(r => r.GetProperty("id").GetInt32(), r => (r.GetProperty("a").GetString()!, r.GetProperty("b").GetString()!))
            : [];
        log.Case("saved and loaded again", () => CheckSaved(tokenizer, folder, texts));
        int row = 0;
        foreach (var rowCase in FixtureJson.Rows(Path.Combine(folder, "cases.jsonl")))
        {
            row++;
            bool isPair = rowCase.TryGetProperty("pair_id", out var pairId);
            var name = isPair ? $"row {row} (pair {pairId})" : $"row {row} (text {rowCase.GetProperty("text_id")})";
            log.Case(name, () => isPair
                ? Check(tokenizer, rowCase, pairs[pairId.GetInt32()].Item1, pairs[pairId.GetInt32()].Item2)
                : Check(tokenizer, rowCase, texts[rowCase.GetProperty("text_id").GetInt32()], null));
        }
    }

    /// <summary>A tokenizer that is written and read again encodes alike, and is then written alike.</summary>
    private static string? CheckSaved(Tokenizer tokenizer, string folder, Dictionary<int, string> texts)
    {
        var first = new MemoryStream();
        tokenizer.Write(first);
        var again = Tokenizer.Parse(first.ToArray(), folder);
        var second = new MemoryStream();
        again.Write(second);
        if (!first.ToArray().AsSpan().SequenceEqual(second.ToArray()))
            return "what is saved differs when it is loaded and saved again";
        foreach (var (id, text) in texts)
            if (FixtureJson.Differ($"text {id}: ids", again.Encode(text, parseSpecialTokens: true),
                tokenizer.Encode(text, parseSpecialTokens: true)) is { } difference)
                return difference;
        return null;
    }

    internal static string? Check(Tokenizer tokenizer, JsonElement row, string text, string? pair)
    {
        bool addSpecial = row.Flag("add_special_tokens"), parseSpecial = !row.Flag("encode_special_tokens");
        var got = pair is null
            ? tokenizer.EncodeWithOffsets(text, addSpecial, parseSpecial)
            : tokenizer.EncodePair(text, pair, addSpecial, parseSpecial);
        var ids = row.Ints("ids");
        var difference = CompareEncoding(got, row, text, pair);
        if (difference is not null)
            return difference;

        // The path without offsets is another one; it must agree.
        if (pair is null)
            difference = FixtureJson.Differ("ids without offsets", tokenizer.Encode(text, addSpecial, parseSpecial), ids);
        var decoded = row.GetProperty("decoded").GetString()!;
        return difference
            ?? FixtureJson.Differ("decoded", tokenizer.Decode(ids), decoded)
            ?? FixtureJson.Differ("decoded_skip_special", tokenizer.Decode(ids, skipSpecialTokens: true),
                row.Text("decoded_skip_special") ?? decoded);
    }

    internal static string? CompareEncoding(TokenizedText got, JsonElement row, string text, string? pair)
    {
        int count = row.Ints("ids").Length;
        var offsets = row.Ints("offsets");
        var utf16 = row.TryGetProperty("offsets_utf16", out _) ? row.Ints("offsets_utf16") : offsets;
        return FixtureJson.Differ("ids", got.Ids, row.Ints("ids"))
            ?? FixtureJson.Differ("tokens", got.Tokens, row.Strings("tokens"))
            ?? FixtureJson.Differ("type_ids", got.TypeIds, Given(row, "type_ids", count, 0))
            ?? FixtureJson.Differ("special_tokens_mask", [.. got.SpecialTokensMask.Select(m => m ? 1 : 0)],
                Given(row, "special_tokens_mask", count, 0))
            ?? FixtureJson.Differ("sequence_ids", got.SequenceIds, Given(row, "sequence_ids", count, 0))
            ?? FixtureJson.Differ("attention_mask", [.. got.AttentionMask.Select(m => m ? 1 : 0)], Given(row, "attention_mask", count, 1))
            ?? FixtureJson.Differ("offsets_utf16", [.. got.Offsets.SelectMany(o => (int[])[o.Start, o.End])], utf16)
            ?? FixtureJson.Differ("offsets", CodePointOffsets(got, text, pair), offsets);
    }

    private static int[] CodePointOffsets(TokenizedText got, string text, string? pair)
    {
        var result = new int[2 * got.Offsets.Count];
        for (int i = 0; i < got.Offsets.Count; i++)
        {
            var own = got.SequenceIds[i] == 1 ? pair! : text;
            (result[2 * i], result[2 * i + 1]) = (CodePoints(own, got.Offsets[i].Start), CodePoints(own, got.Offsets[i].End));
        }

        return result;
    }

    internal static int CodePoints(string text, int units)
    {
        int count = 0;
        for (int i = 0; i < units; i++)
            if (i == 0 || !char.IsSurrogatePair(text[i - 1], text[i]))
                count++;
        return count;
    }

    private static int[] Given(JsonElement row, string name, int count, int plain)
        => row.TryGetProperty(name, out _) ? row.Ints(name) : [.. Enumerable.Repeat(plain, count)];

    /// <summary>The nearest file of that name in the folders above.</summary>
    internal static string? TextsOf(string folder, string name)
    {
        for (var above = Path.GetDirectoryName(folder); above is not null; above = Path.GetDirectoryName(above))
            if (File.Exists(Path.Combine(above, name)))
                return Path.Combine(above, name);
        return null;
    }
}
