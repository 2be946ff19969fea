using System.Text;
using System.Text.Json;
using Kotonoha.Tokenizers;

namespace Kotonoha.Conformance.Tokenizers;

/// <summary>Folders with a tiktoken rank file, encoding.json and cases.jsonl.</summary>
internal sealed class TiktokenRunner : FixtureRunner
{
    /// <inheritdoc/>
    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "*.tiktoken", SearchOption.AllDirectories)
            .Select(file => Path.GetDirectoryName(file)!)
            .Where(folder => File.Exists(Path.Combine(folder, "cases.jsonl")) && File.Exists(Path.Combine(folder, "encoding.json")))
            .Select(folder => Path.GetRelativePath(root, folder).Replace('\\', '/'));

    /// <inheritdoc/>
    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        var file = Directory.EnumerateFiles(folder, "*.tiktoken").Single();
        var encoding = TiktokenEncoding.Load(Path.Combine(folder, "encoding.json"));
        var tokenizer = Tokenizer.ParseTiktoken(File.ReadAllBytes(file), encoding, file);
        var texts = FixtureJson.Rows(TokenizerFolderRunner.TextsOf(folder, "texts.jsonl")!)
            .ToDictionary(r => r.GetProperty("id").GetInt32(), r => r.GetProperty("text").GetString()!);
        int row = 0;
        foreach (var rowCase in FixtureJson.Rows(Path.Combine(folder, "cases.jsonl")))
            log.Case($"row {++row}", () => rowCase.TryGetProperty("decode_ids", out _)
                ? CheckDecoding(tokenizer, rowCase)
                : CheckEncoding(tokenizer, rowCase, texts[rowCase.GetProperty("text_id").GetInt32()]));
    }

    private static string? CheckEncoding(Tokenizer tokenizer, JsonElement row, string text)
    {
        var ids = row.Ints("ids");
        var ordinary = row.TryGetProperty("ids_ordinary", out _) ? row.Ints("ids_ordinary") : ids;
        var detailed = tokenizer.EncodeWithOffsets(text);
        var difference = FixtureJson.Differ("ids", tokenizer.Encode(text, parseSpecialTokens: true), ids)
            ?? FixtureJson.Differ("ordinary ids", tokenizer.Encode(text), ordinary)
            ?? FixtureJson.Differ("ordinary ids with offsets", detailed.Ids, ordinary);
        if (difference is null && row.TryGetProperty("offsets_start", out _))
            difference =
                FixtureJson.Differ("offsets_start", [.. detailed.Offsets.Select(o => TokenizerFolderRunner.CodePoints(text, o.Start))],
                    row.Ints("offsets_start"));
        return difference;
    }

    private static string? CheckDecoding(Tokenizer tokenizer, JsonElement row)
    {
        var ids = row.Ints("decode_ids");
        var special = tokenizer.SpecialTokens.ToDictionary(t => t.Id, t => t.Content);
        var bytes = ids.SelectMany(id => special.TryGetValue(id, out var content)
            ? Encoding.UTF8.GetBytes(content)
            : [.. tokenizer.IdToToken(id)!.Select(c => (byte)ByteAlphabet.ToByte(c))]).ToArray();
        return FixtureJson.Differ("bytes", Convert.ToHexStringLower(bytes), row.GetProperty("bytes_hex").GetString()!)
            ?? FixtureJson.Differ("decoded", tokenizer.Decode(ids), row.GetProperty("decoded").GetString()!);
    }
}
