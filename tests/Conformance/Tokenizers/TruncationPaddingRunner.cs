using System.Text.Json;
using Kotonoha.Tokenizers;

namespace Kotonoha.Conformance.Tokenizers;

/// <summary>
/// Rows with a tokenizer, <c>truncation</c> and <c>padding</c>, one text, a pair or a batch, and the encodings expected, or an error.
/// </summary>
internal sealed class TruncationPaddingRunner : FixtureRunner
{
    /// <inheritdoc/>
    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "*.jsonl", SearchOption.AllDirectories)
            .Where(file => FixtureJson.FirstRow(file) is { ValueKind: JsonValueKind.Object } row && row.Text("tokenizer") is not null
                && (row.TryGetProperty("truncation", out _) || row.TryGetProperty("padding", out _))
                && (row.TryGetProperty("expected", out _) || row.Text("error_at") is not null))
            .Select(file => Path.GetRelativePath(root, file).Replace('\\', '/'));

    /// <inheritdoc/>
    public override void Run(string root, string family, CaseLog log)
    {
        var file = Path.Combine(root, family);
        var loaded = new Dictionary<string, Tokenizer>(StringComparer.Ordinal);
        int number = 0;
        foreach (var row in FixtureJson.Rows(file))
        {
            number++;
            var name = row.Text("tokenizer")!;
            if (!loaded.TryGetValue(name, out var tokenizer))
            {
                tokenizer = FixtureJson.LoadOrSkip(Path.Combine(Path.GetDirectoryName(file)!, name), $"row {number}", log);
                if (tokenizer is null)
                    continue;
                loaded.Add(name, tokenizer);
            }

            log.Case($"row {number} ({name})", () => Check(tokenizer, row));
        }
    }

    private static string? Check(Tokenizer tokenizer, JsonElement row)
    {
        if (row.Text("error_at") is null)
            return Compare(Encode(Configure(tokenizer, row), row), row);
        try
        {
            _ = Encode(Configure(tokenizer, row), row);
            return $"no error, expected one at {row.Text("error_at")}: {row.Text("error")}";
        }
        catch (Exception exception) when (exception is TokenizerException or ArgumentException)
        {
            return null;
        }
    }

    private static Tokenizer Configure(Tokenizer tokenizer, JsonElement row)
    {
        if (row.TryGetProperty("truncation", out var t) && t.ValueKind == JsonValueKind.Object)
            tokenizer = tokenizer.WithTruncation(new TruncationOptions
            {
                MaxLength = t.GetProperty("max_length").GetInt32(),
                Stride = t.TryGetProperty("stride", out var stride) ? stride.GetInt32() : 0,
                Strategy = t.Text("strategy") switch
                {
                    null or "longest_first" => TruncationStrategy.LongestFirst,
                    "only_first" => TruncationStrategy.OnlyFirst,
                    "only_second" => TruncationStrategy.OnlySecond,
                    var strategy => throw new InvalidDataException($"truncation strategy {strategy}"),
                },
                Direction = Side(t),
            });
        if (row.TryGetProperty("padding", out var p) && p.ValueKind == JsonValueKind.Object)
            tokenizer = tokenizer.WithPadding(new PaddingOptions
            {
                Length = Number(p, "length"),
                PadToMultipleOf = Number(p, "pad_to_multiple_of"),
                Direction = Side(p),
                PadId = Number(p, "pad_id") ?? 0,
                PadTypeId = Number(p, "pad_type_id") ?? 0,
                PadToken = p.Text("pad_token") ?? "[PAD]",
            });
        return tokenizer;
    }

    private static TokenSide Side(JsonElement options) => options.Text("direction") == "left" ? TokenSide.Left : TokenSide.Right;

    private static int? Number(JsonElement options, string name)
        => options.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetInt32() : null;

    private static IReadOnlyList<TokenizedText> Encode(Tokenizer tokenizer, JsonElement row)
    {
        bool addSpecial = row.Flag("add_special_tokens");
        if (row.TryGetProperty("batch", out _))
            return tokenizer.EncodeBatch(row.Strings("batch"), addSpecial, parseSpecialTokens: true);
        if (row.TryGetProperty("batch_pairs", out var pairs))
            return tokenizer.EncodeBatch([.. pairs.EnumerateArray().Select(p => (p[0].GetString()!, p[1].GetString()!))], addSpecial,
                parseSpecialTokens: true);
        var text = row.Text("text")!;
        return [row.Text("pair") is { } pair
            ? tokenizer.EncodePair(text, pair, addSpecial, parseSpecialTokens: true)
            : tokenizer.EncodeWithOffsets(text, addSpecial, parseSpecialTokens: true)];
    }

    private static string? Compare(IReadOnlyList<TokenizedText> got, JsonElement row)
    {
        var expected = row.GetProperty("expected");
        JsonElement[] want = expected.ValueKind == JsonValueKind.Array ? [.. expected.EnumerateArray()] : [expected];
        if (got.Count != want.Length)
            return $"{got.Count} encodings instead of {want.Length}";
        for (int i = 0; i < want.Length; i++)
        {
            var (text, pair) = TextsOf(row, i);
            if (Compare(got[i], want[i], text, pair) is { } difference)
                return want.Length == 1 ? difference : $"[{i}] {difference}";
        }

        return null;
    }

    private static (string Text, string? Pair) TextsOf(JsonElement row, int index)
        => row.TryGetProperty("batch", out var batch) ? (batch[index].GetString()!, null)
            : row.TryGetProperty("batch_pairs", out var pairs) ? (pairs[index][0].GetString()!, pairs[index][1].GetString())
            : (row.Text("text")!, row.Text("pair"));

    private static string? Compare(TokenizedText got, JsonElement want, string text, string? pair)
    {
        if (TokenizerFolderRunner.CompareEncoding(got, want, text, pair) is { } difference)
            return difference;
        JsonElement[] overflowing = want.TryGetProperty("overflowing", out var list) ? [.. list.EnumerateArray()] : [];
        if (overflowing.Length != got.Overflowing.Count)
            return $"{got.Overflowing.Count} overflowing parts instead of {overflowing.Length}";
        for (int i = 0; i < overflowing.Length; i++)
            if (Compare(got.Overflowing[i], overflowing[i], text, pair) is { } inside)
                return $"overflowing[{i}] {inside}";
        return null;
    }
}
