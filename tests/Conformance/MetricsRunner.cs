using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;

namespace Kotonoha.Conformance;

/// <summary>Metrics of texts, classes, numbers and comparisons. Each kind is known by its fields; retrieval has its own runner.</summary>
internal sealed partial class MetricsRunner : FixtureRunner
{
    private const double Tolerance = 1e-6;

    private delegate void Check(JsonElement fixture, string name, string path, CaseLog log);

    public override IEnumerable<string> Discover(string root)
    {
        foreach (var path in Directory.EnumerateFiles(root, "*.jsonl", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            if (KindOf(path) is not null)
                yield return Path.GetRelativePath(root, path).Replace('\\', '/');
    }

    public override void Run(string root, string family, CaseLog log)
    {
        var path = Path.Combine(root, family);
        var check = KindOf(path)!;
        int line = 0;
        foreach (var text in File.ReadLines(path))
        {
            line++;
            if (text.Trim().Length == 0)
                continue;
            using var json = JsonDocument.Parse(text);
            var name = json.RootElement.TryGetProperty("name", out var given) ? given.GetString()! : $"line {line}";
            try
            {
                check(json.RootElement, name, path, log);
            }
            catch (Exception exception)
            {
                log.Fail(name, $"{exception.GetType().Name}: {exception.Message}");
            }
        }
    }

    private static Check? KindOf(string path)
    {
        JsonDocument? json = null;
        try
        {
            if (File.ReadLines(path).FirstOrDefault(line => line.Trim().Length > 0) is not { } first)
                return null;
            json = JsonDocument.Parse(first);
            if (json.RootElement.ValueKind != JsonValueKind.Object)
                return null;
            bool Has(params string[] fields) => fields.All(field => json.RootElement.TryGetProperty(field, out _));
            return Has("hypotheses", "references", "expected") ? Corpus
                : Has("hypothesis", "references", "expected") ? Sentence
                : Has("text", "tokens") && json.RootElement.GetProperty("tokens").ValueKind == JsonValueKind.Object ? BleuTokens
                : Has("target", "prediction", "stemmed", "characters") ? Rouge
                : Has("word", "stem") ? Stem
                : Has("kind", "prediction", "answers", "f1") ? Answers
                : Has("y_true", "y_pred", "confusion") ? Classes
                : Has("y_true", "scores", "roc_auc") ? Binary
                : Has("x", "y", "kendall_tau_b") ? Correlations
                : Has("text", "token_log_probs", "bits_per_byte") ? LanguageModels
                : Has("choices", "acc_choice") ? Choices
                : Has("n", "c", "k", "value") ? Passes
                : Has("confidences", "correct", "bins") ? Confidences
                : Has("kind", "resample_indices") ? Significance
                : Has("games", "players", "elo") ? Rated
                : Has("units", "nominal", "ordinal") ? Agreements
                : Has("points", "huber_delta", "fitted") ? Scaling
                : Has("more", "less", "prefers_more") ? Stereotypes
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
        finally
        {
            json?.Dispose();
        }
    }

    // ---- translation

    private static void Corpus(JsonElement fixture, string name, string path, CaseLog log)
    {
        string[] hypotheses = Texts(fixture.GetProperty("hypotheses"));
        var streams = fixture.GetProperty("references").EnumerateArray().Select(stream => stream.EnumerateArray().ToArray()).ToArray();
        IReadOnlyList<string>[] references =
        [
            .. hypotheses.Select((_, i) => streams.Where(stream => stream[i].ValueKind == JsonValueKind.String)
                .Select(stream => stream[i].GetString()!).ToArray()),
        ];
        Translations(fixture, name, log, hypotheses, references);
    }

    private static void Sentence(JsonElement fixture, string name, string path, CaseLog log)
        => Translations(fixture, name, log, [fixture.GetProperty("hypothesis").GetString()!], [Texts(fixture.GetProperty("references"))]);

    private static void Translations(
        JsonElement fixture, string name, CaseLog log, string[] hypotheses, IReadOnlyList<string>[] references)
    {
        foreach (var expected in fixture.GetProperty("expected").EnumerateArray())
        {
            var metric = expected.GetProperty("metric").GetString()!;
            var settings = string.Join(' ', expected.EnumerateObject().Where(f => f.Value.ValueKind is not JsonValueKind.Array
                && f.Name is not ("score" or "bp" or "sys_len" or "ref_len" or "num_edits" or "ref_length"))
                .Select(f => $"{f.Name}={f.Value}"));
            log.Case($"{name} {settings}", () => metric switch
            {
                "bleu" => BleuDiffers(expected, Bleu.Corpus(hypotheses, references, BleuSettings(expected))),
                "chrf" => Near(ChrF.Corpus(hypotheses, references, ChrFSettings(expected)), expected, "score"),
                "ter" => TerDiffers(expected, TranslationEditRate.Corpus(hypotheses, references, TerSettings(expected))),
                _ => $"unknown metric '{metric}'",
            });
        }
    }

    private static string? BleuDiffers(JsonElement expected, BleuScore got)
        => Near(got.Score, expected, "score")
            ?? Near(got.Matches, expected, "counts")
            ?? Near(got.Totals, expected, "totals")
            ?? Near(got.Precisions, expected, "precisions")
            ?? Near(got.BrevityPenalty, expected, "bp")
            ?? Near(got.HypothesisLength, expected, "sys_len")
            ?? Near(got.ReferenceLength, expected, "ref_len");

    private static string? TerDiffers(JsonElement expected, TranslationEditRateScore got)
        => Near(got.Edits, expected, "num_edits")
            ?? Near(got.ReferenceLength, expected, "ref_length")
            ?? Near(got.Score, expected, "score");

    private static BleuOptions BleuSettings(JsonElement c) => new()
    {
        Tokenizer = Tokenizer(Text(c, "tokenize", "13a")),
        Smoothing = Text(c, "smooth_method", "exp") switch
        {
            "exp" => BleuSmoothing.Exponential,
            "floor" => BleuSmoothing.Floor,
            "add-k" => BleuSmoothing.AddK,
            "none" => BleuSmoothing.None,
            var other => throw new InvalidDataException($"unknown smoothing '{other}'"),
        },
        SmoothingValue = Number(c, "smooth_value"),
        EffectiveOrder = Flag(c, "effective_order"),
        Lowercase = Flag(c, "lowercase"),
        MaxOrder = (int)(Number(c, "max_ngram_order") ?? 4),
    };

    private static ChrFOptions ChrFSettings(JsonElement c) => new()
    {
        CharacterOrder = (int)(Number(c, "char_order") ?? 6),
        WordOrder = (int)(Number(c, "word_order") ?? 0),
        Beta = Number(c, "beta") ?? 2,
        Whitespace = Flag(c, "whitespace"),
        EpsilonSmoothing = Flag(c, "eps_smoothing"),
        Lowercase = Flag(c, "lowercase"),
    };

    private static TranslationEditRateOptions TerSettings(JsonElement c) => new()
    {
        Normalized = Flag(c, "normalized"),
        NoPunctuation = Flag(c, "no_punct"),
        CaseSensitive = Flag(c, "case_sensitive"),
        AsianSupport = Flag(c, "asian_support"),
    };

    private static void BleuTokens(JsonElement fixture, string name, string path, CaseLog log)
    {
        var text = fixture.GetProperty("text").GetString()!;
        foreach (var expected in fixture.GetProperty("tokens").EnumerateObject())
            log.Case($"{name} {expected.Name}", () => Same(BleuTokenizers.Spaced(text, Tokenizer(expected.Name)), expected.Value));
    }

    private static BleuTokenizer Tokenizer(string name) => name switch
    {
        "13a" => BleuTokenizer.V13a,
        "none" => BleuTokenizer.None,
        "intl" => BleuTokenizer.International,
        "char" => BleuTokenizer.Character,
        "zh" => BleuTokenizer.Chinese,
        _ => throw new InvalidDataException($"unknown tokenizer '{name}'"),
    };

    // ---- summaries and answers

    private static void Rouge(JsonElement fixture, string name, string path, CaseLog log)
    {
        var prediction = fixture.GetProperty("prediction").GetString()!;
        foreach (var kind in fixture.EnumerateObject().Where(f => f.Value.ValueKind == JsonValueKind.Object))
        {
            string[] targets = fixture.TryGetProperty("targets", out var several)
                ? Texts(several)
                : [fixture.GetProperty("target").GetString()!];
            var tokenizer = kind.Name.Split('_')[0] switch
            {
                "plain" => RougeTokenizer.Words,
                "stemmed" => RougeTokenizer.Stems,
                "characters" => RougeTokenizer.Characters,
                _ => throw new InvalidDataException($"unknown tokens '{kind.Name}'"),
            };
            foreach (var expected in kind.Value.EnumerateObject())
                log.Case($"{name} {kind.Name} {expected.Name}", () =>
                {
                    var got = RougeScore.Best(targets, target => expected.Name switch
                    {
                        "rougeL" => RougeScore.LongestCommon(prediction, target, tokenizer),
                        "rougeLsum" => RougeScore.Summary(prediction, target, tokenizer),
                        _ => RougeScore.NGram(prediction, target, expected.Name[^1] - '0', tokenizer),
                    });
                    return Near([got.Precision, got.Recall, got.F1], kind.Value, expected.Name);
                });
        }
    }

    private static void Stem(JsonElement fixture, string name, string path, CaseLog log)
    {
        var word = fixture.GetProperty("word").GetString()!;
        log.Case(word, () => Same(word.Length > 3 ? PorterStemmer.Stem(word) : word, fixture.GetProperty("stem")));
    }

    private static void Answers(JsonElement fixture, string name, string path, CaseLog log)
    {
        var language = Text(fixture, "kind", "") == "japanese" ? AnswerLanguage.Japanese : AnswerLanguage.English;
        var prediction = fixture.GetProperty("prediction").GetString()!;
        var got = AnswerScore.Of(prediction, Texts(fixture.GetProperty("answers")), language);
        log.Case($"{name} exact", () => Near(got.Exact, fixture, "exact"));
        log.Case($"{name} f1", () => Near(got.F1, fixture, "f1"));
        log.Case($"{name} normalized",
            () => Same(AnswerScore.Normalize(prediction, language), fixture.GetProperty("normalized_prediction")));
    }

    // ---- language models

    private static void LanguageModels(JsonElement fixture, string name, string path, CaseLog log)
    {
        var all = fixture.TryGetProperty("over", out var over)
            ? File.ReadLines(path).Select(line => JsonSerializer.Deserialize<JsonElement>(line))
                .Where(line => Texts(over).Contains(line.GetProperty("name").GetString()))
                .Select(Likelihood).Aggregate((a, b) => a + b)
            : Likelihood(fixture);
        Every(fixture, name, log, field => field switch
        {
            "bytes" => all.Bytes,
            "characters" => all.Characters,
            "words" => all.Words,
            "perplexity" => all.Perplexity,
            "nll_per_token" => all.NegativeLogLikelihood / all.Tokens,
            "bits_per_token" => all.BitsPerToken,
            "bits_per_byte" => all.BitsPerByte,
            "bits_per_character" => all.BitsPerCharacter,
            "word_perplexity" => all.WordPerplexity,
            "byte_perplexity" => all.BytePerplexity,
            _ => null,
        });

        static TextLikelihood Likelihood(JsonElement line)
            => TextLikelihood.Of(line.GetProperty("text").GetString()!, line.GetProperty("token_log_probs").Numbers());
    }

    private static void Choices(JsonElement fixture, string name, string path, CaseLog log)
    {
        (string, IReadOnlyList<double>)[] choices =
        [
            .. fixture.GetProperty("choices").EnumerateArray().Select(choice
                => (choice.GetProperty("text").GetString()!, (IReadOnlyList<double>)choice.GetProperty("token_log_probs").Numbers())),
        ];
        Every(fixture, name, log, field => MultipleChoice.Choose(choices, field switch
        {
            "acc_norm_bytes_choice" => ChoiceNormalization.Bytes,
            "acc_norm_tokens_choice" => ChoiceNormalization.Tokens,
            _ => ChoiceNormalization.None,
        }));
    }

    private static void Passes(JsonElement fixture, string name, string path, CaseLog log)
        => log.Case(name, () => Near(
            PassAtK.Estimate(fixture.GetProperty("n").GetInt32(), fixture.GetProperty("c").GetInt32(), fixture.GetProperty("k").GetInt32()),
            fixture, "value"));

    private static void Stereotypes(JsonElement fixture, string name, string path, CaseLog log)
    {
        const int mask = 4;
        using var logits = SafetensorsFile.Open(Path.ChangeExtension(path, ".safetensors"));
        int number = fixture.GetProperty("case").GetInt32();
        JsonElement more = fixture.GetProperty("more"), less = fixture.GetProperty("less");
        int[] first = more.GetProperty("ids").Ids(), second = less.GetProperty("ids").Ids();
        var (shared, otherShared) = CrowsPairs.SharedPositions(first, second);
        double preference = Score("more", more, first, shared) - Score("less", less, second, otherShared);
        log.Case($"{name} prefers_more",
            () => preference > 0 == fixture.GetProperty("prefers_more").GetBoolean() ? null : "prefers the other");

        double Score(string kind, JsonElement expected, int[] ids, IReadOnlyList<int> positions)
        {
            var stored = logits.ReadFloats($"logits.{number}.{kind}");
            int[] masked = expected.GetProperty("masked_positions").Ids();
            int width = stored.Length / Math.Max(masked.Length, 1);
            var got = CrowsPairs.PseudoLogProbabilities(
                ids, positions, mask, (_, position) => stored[(Array.IndexOf(masked, position) * width)..][..width]);
            log.Case($"{name} {kind} shared_positions",
                () => positions.SequenceEqual(expected.GetProperty("shared_positions").Ids()) ? null : "other positions");
            log.Case($"{name} {kind} log_probs", () => Near(got, expected, "log_probs", 1e-4));
            log.Case($"{name} {kind} score", () => Near(got.Sum(), expected, "score", 1e-4));
            return got.Sum();
        }
    }
}
