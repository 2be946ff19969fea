using System.Text.Json;
using Kotonoha.LocalModel.Tokenizers;
using Kotonoha.LocalModel.Tokenizers.Models;
using Kotonoha.LocalModel.Tokenizers.PreTokenizers;

namespace Kotonoha.Conformance.Tokenizers;

/// <summary>Trainer files: a corpus, the trainer's arguments and the vocabulary that must come out.</summary>
internal sealed class BpeTrainerRunner : FixtureRunner
{
    /// <inheritdoc/>
    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "*.json", SearchOption.AllDirectories)
            .Where(IsTrainerFile)
            .Select(file => Path.GetRelativePath(root, file).Replace('\\', '/'));

    /// <inheritdoc/>
    public override void Run(string root, string family, CaseLog log)
    {
        var file = Path.Combine(root, family);
        using var document = JsonDocument.Parse(File.ReadAllBytes(file));
        var row = document.RootElement;
        var trainer = row.GetProperty("trainer");
        if (Unsupported(row, trainer) is { } reason)
        {
            log.Skip(family, reason);
            return;
        }

        IPreTokenizer? preTokenizer;
        try
        {
            preTokenizer = TokenizerReader.ReadPreTokenizer(new JsonPlace(row.GetProperty("pre_tokenizer"), "pre_tokenizer"));
        }
        catch (TokenizerException exception) when (exception.UnsupportedComponent is { } component)
        {
            log.Skip(family, $"{component} is not supported");
            return;
        }

        var options = new BpeTrainingOptions
        {
            VocabularySize = trainer.GetProperty("vocab_size").GetInt32(),
            MinFrequency = trainer.TryGetProperty("min_frequency", out var frequency) ? frequency.GetInt64() : 0,
            SpecialTokens = trainer.TryGetProperty("special_tokens", out _) ? trainer.Strings("special_tokens") : [],
            MaxTokenLength = trainer.TryGetProperty("max_token_length", out var length) ? length.GetInt32() : null,
            LimitAlphabet = trainer.TryGetProperty("limit_alphabet", out var limit) ? limit.GetInt32() : null,
            InitialAlphabet = !trainer.TryGetProperty("initial_alphabet", out var alphabet) ? ""
                : alphabet.ValueKind == JsonValueKind.Array ? string.Concat(trainer.Strings("initial_alphabet")) : ByteAlphabet.Characters,
        };
        var corpus = Path.Combine(Path.GetDirectoryName(file)!, row.GetProperty("corpus").GetString()!);
        var words = WordCounter.Count(TextCorpus.From(corpus), null, preTokenizer, CancellationToken.None);
        var (vocabulary, merges) = BpeTrainer.Train(words, options, CancellationToken.None);
        var tokens = Enumerable.Range(0, vocabulary.IdLimit).Select(id => vocabulary.TokenOf(id)!).ToArray();
        log.Case("vocab", () => FixtureJson.Differ("vocab", tokens, row.Strings("vocab")));
        log.Case("merges", () => FixtureJson.Differ(
            "merges", [.. merges], row.GetProperty("merges").EnumerateArray().Select(m => (m[0].GetString()!, m[1].GetString()!)).ToArray()));
    }

    private static string? Unsupported(JsonElement row, JsonElement trainer)
    {
        var kind = row.GetProperty("kind").GetString();
        if (kind != "bpe")
            return $"trainer '{kind}' is not supported";
        foreach (var argument in trainer.EnumerateObject())
            if (argument.Name is not ("vocab_size" or "min_frequency" or "special_tokens" or "max_token_length" or "limit_alphabet" or "initial_alphabet"))
                return $"trainer argument {argument.Name} is not supported";
        return row.TryGetProperty("normalizer", out var normalizer) && normalizer.ValueKind != JsonValueKind.Null
            ? $"normalizer {normalizer.Text("type")} is not supported" : null;
    }

    private static bool IsTrainerFile(string file)
    {
        // Only small JSON objects are looked into: weights' indexes and vocabularies lie beside the fixtures.
        var head = new byte[256];
        using (var stream = File.OpenRead(file))
        {
            int count = stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
            if (!head.AsSpan(0, count).TrimStart(" \t\r\n"u8).StartsWith("{"u8))
                return false;
        }

        if (new FileInfo(file).Length > 4 << 20)
            return false;
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file));
            var root = document.RootElement;
            return root.TryGetProperty("trainer", out var trainer) && trainer.ValueKind == JsonValueKind.Object
                && root.TryGetProperty("corpus", out _) && root.TryGetProperty("kind", out _);
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
