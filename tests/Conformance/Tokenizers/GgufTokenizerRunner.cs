using System.Text.Json;
using Kotonoha.Foundation.Gguf;
using Kotonoha.Tokenizers;

namespace Kotonoha.Conformance.Tokenizers;

/// <summary>A JSON file that names GGUF files beside it with texts, ids and decoded texts.</summary>
internal sealed class GgufTokenizerRunner : FixtureRunner
{
    /// <inheritdoc/>
    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "*.json", SearchOption.AllDirectories)
            .Where(file => Directory.EnumerateFiles(Path.GetDirectoryName(file)!, "*.gguf").Any() && IsCaseFile(file))
            .Select(file => Path.GetRelativePath(root, file).Replace('\\', '/'));

    /// <inheritdoc/>
    public override void Run(string root, string family, CaseLog log)
    {
        var path = Path.Combine(root, family);
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        foreach (var model in document.RootElement.EnumerateObject())
        {
            var file = GgufMetadata.Read(Path.Combine(Path.GetDirectoryName(path)!, model.Name + ".gguf"));
            Tokenizer tokenizer;
            try
            {
                tokenizer = Tokenizer.FromGguf(file);
            }
            catch (TokenizerException exception)
            {
                log.Fail(model.Name, exception.Message);
                continue;
            }

            int row = 0;
            foreach (var rowCase in model.Value.GetProperty("cases").EnumerateArray())
                log.Case($"{model.Name} case {row++}", () => Check(tokenizer, rowCase));
        }
    }

    private static string? Check(Tokenizer tokenizer, JsonElement row)
    {
        var ids = row.Ints("ids");
        var text = row.GetProperty("text").GetString()!;
        return FixtureJson.Differ("ids", tokenizer.Encode(text, addSpecialTokens: false, parseSpecialTokens: true), ids)
            ?? (row.TryGetProperty("pieces", out _)
                ? FixtureJson.Differ("pieces", [.. ids.Select(id => tokenizer.IdToToken(id)!)], row.Strings("pieces"))
                : null)
            ?? FixtureJson.Differ("decoded", tokenizer.Decode(ids), row.GetProperty("decoded").GetString()!);
    }

    private static bool IsCaseFile(string file)
    {
        if (new FileInfo(file).Length > 16 << 20)
            return false;
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file));
            var root = document.RootElement;
            return root.ValueKind == JsonValueKind.Object && root.EnumerateObject().Any()
                && root.EnumerateObject()
                .All(m => m.Value.ValueKind == JsonValueKind.Object && m.Value.TryGetProperty("cases", out var cases)
                    && cases.ValueKind == JsonValueKind.Array && File.Exists(Path.Combine(Path.GetDirectoryName(file)!, m.Name + ".gguf")));
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
