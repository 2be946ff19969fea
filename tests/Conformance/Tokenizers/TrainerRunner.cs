using System.Text.Json;
using Kotonoha.Tokenizers;

namespace Kotonoha.Conformance.Tokenizers;

/// <summary>Trainer files: a corpus, the trainer's arguments and the vocabulary that must come out.</summary>
internal sealed class TrainerRunner : FixtureRunner
{
    private const double LikelihoodTolerance = 0.02;
    private const double TokenTolerance = 0.03;
    private const double PiecesInCommon = 0.85;
    private const double ScoreTolerance = 0.5;

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
        var corpus = Path.Combine(Path.GetDirectoryName(file)!, row.GetProperty("corpus").GetString()!);
        var normalizer = TokenizerReader.ReadNormalizer(new JsonPlace(row.GetProperty("normalizer"), "normalizer"));
        var preTokenizer = TokenizerReader.ReadPreTokenizer(new JsonPlace(row.GetProperty("pre_tokenizer"), "pre_tokenizer"));
        var words = WordCounter.Count(TextCorpus.From(corpus), normalizer, preTokenizer, CancellationToken.None);
        var trainer = row.GetProperty("trainer");
        var kind = row.GetProperty("kind").GetString();
        switch (kind)
        {
            case "bpe" or "wordpiece":
                RunBpe(row, trainer, words, log);
                break;
            case "wordlevel":
                RunWordLevel(row, trainer, words, log);
                break;
            case "unigram":
                var lines = TextCorpus.From(corpus).Select(line => line.TrimEnd('\n')).Where(line => line.Length > 0);
                RunUnigram(row, trainer, words, WordCounter.Count(lines, normalizer, preTokenizer, CancellationToken.None), log);
                break;
            default:
                log.Skip(family, $"trainer '{kind}' is not supported");
                break;
        }
    }

    private static void RunBpe(JsonElement row, JsonElement trainer, Dictionary<string, long> words, CaseLog log)
    {
        var options = new BpeTrainingOptions
        {
            VocabularySize =
                Known(trainer, "min_frequency", "special_tokens", "max_token_length", "limit_alphabet", "initial_alphabet",
                    "continuing_subword_prefix", "end_of_word_suffix"),
            MinFrequency = trainer.TryGetProperty("min_frequency", out var frequency) ? frequency.GetInt64() : 0,
            SpecialTokens = SpecialTokens(trainer),
            MaxTokenLength = trainer.TryGetProperty("max_token_length", out var length) ? length.GetInt32() : null,
            LimitAlphabet = trainer.TryGetProperty("limit_alphabet", out var limit) ? limit.GetInt32() : null,
            InitialAlphabet = !trainer.TryGetProperty("initial_alphabet", out var alphabet) ? ""
                : alphabet.ValueKind == JsonValueKind.Array ? string.Concat(trainer.Strings("initial_alphabet")) : ByteAlphabet.Characters,
            ContinuingSubwordPrefix = trainer.Text("continuing_subword_prefix") ?? (row.Text("kind") == "wordpiece" ? "##" : null),
            EndOfWordSuffix = trainer.Text("end_of_word_suffix"),
        };
        var (vocabulary, merges) = BpeTrainer.Train(words, options, CancellationToken.None);
        var tokens = Tokens(vocabulary);
        if (row.TryGetProperty("vocab", out _))
            log.Case("vocab", () => FixtureJson.Differ("vocab", tokens, row.Strings("vocab")));
        if (row.TryGetProperty("vocab_set", out _))
            log.Case("vocab_set",
                () => FixtureJson.Differ("vocab_set", [.. tokens.Order(StringComparer.Ordinal)],
                    [.. row.Strings("vocab_set").Order(StringComparer.Ordinal)]));
        if (row.TryGetProperty("merges", out var wanted))
            log.Case("merges",
                () => FixtureJson.Differ("merges", [.. merges],
                    wanted.EnumerateArray().Select(m => (m[0].GetString()!, m[1].GetString()!)).ToArray()));
    }

    private static void RunWordLevel(JsonElement row, JsonElement trainer, Dictionary<string, long> words, CaseLog log)
    {
        var options = new WordLevelTrainingOptions
        {
            VocabularySize = Known(trainer, "min_frequency", "special_tokens"),
            MinFrequency = trainer.TryGetProperty("min_frequency", out var frequency) ? frequency.GetInt64() : 0,
            SpecialTokens = SpecialTokens(trainer),
        };
        log.Case("vocab", () => FixtureJson.Differ("vocab", Tokens(WordLevelTrainer.Train(words, options)), row.Strings("vocab")));
    }

    private static void RunUnigram(
        JsonElement row, JsonElement trainer, Dictionary<string, long> words, Dictionary<string, long> wordsOfLines, CaseLog log)
    {
        var options = new UnigramTrainingOptions
        {
            VocabularySize = Known(trainer, "special_tokens", "unk_token", "max_piece_length", "shrinking_factor", "n_sub_iterations"),
            SpecialTokens = SpecialTokens(trainer),
        };
        options = options with
        {
            UnknownToken = trainer.Text("unk_token") ?? options.UnknownToken,
            MaxPieceLength = trainer.TryGetProperty("max_piece_length", out var length) ? length.GetInt32() : options.MaxPieceLength,
            ShrinkingFactor = trainer.TryGetProperty("shrinking_factor", out var factor) ? factor.GetDouble() : options.ShrinkingFactor,
            SubIterations = trainer.TryGetProperty("n_sub_iterations", out var rounds) ? rounds.GetInt32() : options.SubIterations,
        };
        var (pieces, unknownId) = UnigramTrainer.Train(words, options, CancellationToken.None);
        var got = pieces.ToDictionary(p => p.Token, p => p.Score, StringComparer.Ordinal);
        var want = row.GetProperty("vocab").EnumerateArray().Select(p => (Token: p[0].GetString()!, Score: p[1].GetDouble())).ToArray();
        log.Case("size", () => pieces.Count == want.Length ? null : $"{pieces.Count} pieces instead of {want.Length}");
        log.Case("pieces in common", () => want.Count(w => got.ContainsKey(w.Token)) is var common && common >= PiecesInCommon * want.Length
            ? null : $"{common} of {want.Length} pieces in common");
        log.Case("scores",
            () => want.Where(w => got.TryGetValue(w.Token, out double score) && Math.Abs(score - w.Score) > ScoreTolerance)
                .Select(w => w.Token).FirstOrDefault() is { } far
            ? $"the score of '{far}' is {got[far]}, expected {want.First(w => w.Token == far).Score}" : null);

        // The corpus' lines through a model of the pieces; unknown characters count the lowest score less ten.
        var model = new UnigramModel(pieces, unknownId, byteFallback: false);
        double unknown = pieces.Min(p => p.Score) - 10, likelihood = 0;
        long tokens = 0;
        foreach (var (word, count) in wordsOfLines)
        {
            var sink = new TokenSink();
            sink.Clear(trackOffsets: true);
            model.Tokenize(word, sink);
            tokens += count * sink.Count;
            for (int i = 0; i < sink.Count; i++)
                likelihood += count
                    * (sink.Ids[i] == unknownId
                        ? unknown * word[sink.Starts[i]..sink.Ends[i]].EnumerateRunes().Count()
                        : pieces[sink.Ids[i]].Score);
        }

        log.Case("likelihood",
            () => Near("log-likelihood", likelihood, row.GetProperty("corpus_log_likelihood").GetDouble(), LikelihoodTolerance));
        log.Case("tokens", () => Near("number of tokens", tokens, row.GetProperty("corpus_tokens").GetDouble(), TokenTolerance));
    }

    private static string? Near(string what, double got, double want, double tolerance)
        => Math.Abs(got - want) <= tolerance * Math.Abs(want) ? null : $"the {what} is {got:F1}, expected {want:F1}";

    /// <summary>The size of the vocabulary; any argument that is not known is an error.</summary>
    private static int Known(JsonElement trainer, params string[] names)
    {
        foreach (var argument in trainer.EnumerateObject())
            if (argument.Name != "vocab_size" && !names.Contains(argument.Name))
                throw new NotSupportedException($"trainer argument {argument.Name}");
        return trainer.GetProperty("vocab_size").GetInt32();
    }

    private static string[] SpecialTokens(JsonElement trainer)
        => trainer.TryGetProperty("special_tokens", out _) ? trainer.Strings("special_tokens") : [];

    private static string[] Tokens(Vocabulary vocabulary)
        => [.. Enumerable.Range(0, vocabulary.IdLimit).Select(id => vocabulary.TokenOf(id)!)];

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
