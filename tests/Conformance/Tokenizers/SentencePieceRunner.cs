using System.Text.Json;
using Kotonoha.Tokenizers;

namespace Kotonoha.Conformance.Tokenizers;

/// <summary>Folders with a SentencePiece model and cases.jsonl.</summary>
internal sealed class SentencePieceRunner : FixtureRunner
{
    /// <inheritdoc/>
    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "*.model", SearchOption.AllDirectories)
            .Select(file => Path.GetDirectoryName(file)!)
            .Where(folder => File.Exists(Path.Combine(folder, "cases.jsonl"))
                && TokenizerFolderRunner.TextsOf(folder, "texts.jsonl") is not null)
            .Distinct()
            .Select(folder => Path.GetRelativePath(root, folder).Replace('\\', '/'));

    /// <inheritdoc/>
    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        var file = Directory.EnumerateFiles(folder, "*.model").Single();
        var processor = SentencePieceProcessor.Load(file);
        var tokenizer = Tokenizer.ParseSentencePiece(File.ReadAllBytes(file), source: file);
        var texts = FixtureJson.Rows(TokenizerFolderRunner.TextsOf(folder, "texts.jsonl")!)
            .ToDictionary(r => r.GetProperty("id").GetInt32(), r => r.GetProperty("text").GetString()!);
        int row = 0;
        foreach (var rowCase in FixtureJson.Rows(Path.Combine(folder, "cases.jsonl")))
            log.Case($"row {++row}", () => rowCase.TryGetProperty("decode_ids", out _)
                ? FixtureJson.Differ("decoded", processor.Decode(rowCase.Ints("decode_ids")), rowCase.GetProperty("decoded").GetString()!)
                : Check(processor, tokenizer, rowCase, texts[rowCase.GetProperty("text_id").GetInt32()]));
    }

    private static string? Check(SentencePieceProcessor processor, Tokenizer tokenizer, JsonElement row, string text)
    {
        var ids = row.Ints("ids");
        if (row.TryGetProperty("add_bos", out _))
            return FixtureJson.Differ("ids", processor.EncodeIds(text, row.Flag("add_bos"), row.Flag("add_eos"), row.Flag("reverse")), ids);
        var pieces = processor.Encode(text);
        var names = row.Strings("pieces");
        var decoded = row.GetProperty("decoded").GetString()!;
        return FixtureJson.Differ("normalized", processor.Normalize(text), row.GetProperty("normalized").GetString()!)
            ?? FixtureJson.Differ("ids", [.. pieces.Select(p => p.Id)], ids)
            ?? FixtureJson.Differ("pieces", [.. pieces.Select(p => p.Piece)], names)
            ?? FixtureJson.Differ("surfaces", [.. pieces.Select(p => p.Surface)],
                row.TryGetProperty("surfaces", out _) ? row.Strings("surfaces") : names)
            ?? FixtureJson.Differ("decoded", processor.Decode(ids), decoded)
            ?? FixtureJson.Differ("ids of the pipeline", tokenizer.Encode(text), ids)
            ?? FixtureJson.Differ("ids of the pipeline with offsets", tokenizer.EncodeWithOffsets(text).Ids, ids)
            ?? (row.TryGetProperty("score", out var score) ? Near(processor.EncodeBest(text, 1)[0].Score, score.GetDouble()) : null)
            ?? (row.TryGetProperty("nbest", out var best) ? CheckBest(processor, text, best) : null);
    }

    /// <summary>Scores must agree in order; paths of equal scores may change places.</summary>
    private static string? CheckBest(SentencePieceProcessor processor, string text, JsonElement want)
    {
        var expected = want.EnumerateArray().Select(w => (Ids: w.Ints("ids"), Score: w.GetProperty("score").GetDouble())).ToArray();
        var got = processor.EncodeBest(text, expected.Length);
        if (got.Count != expected.Length)
            return $"{got.Count} paths instead of {expected.Length}";
        for (int i = 0; i < expected.Length; i++)
        {
            if (Near(got[i].Score, expected[i].Score) is { } difference)
                return difference;

            // The last may be one of several of its score.
            bool isTied = expected.Count(e => Near(e.Score, expected[i].Score) is null) > 1 || i == expected.Length - 1;
            if (!isTied && !got[i].Ids.SequenceEqual(expected[i].Ids))
                return $"path {i} differs";
        }

        return null;
    }

    private static string? Near(double got, double want)
        => Math.Abs(got - want) <= 1e-3 + 1e-5 * Math.Abs(want) ? null : $"score is {got:R}, expected {want:R}";
}
