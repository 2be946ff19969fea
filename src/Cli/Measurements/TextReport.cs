using Kotonoha.Foundation;
using Kotonoha.LocalModel.Evaluation;

namespace Kotonoha.Cli.Measurements;

/// <summary>A score of all texts together.</summary>
/// <param name="Name">Its name in JSON.</param>
/// <param name="Title">Its usual name.</param>
/// <param name="Value">From 0 to 100; TER may exceed it.</param>
internal sealed record CorpusScore(string Name, string Title, double Value);

/// <summary>A score of each text, of which the mean is told.</summary>
/// <param name="Name">Its name in JSON.</param>
/// <param name="Title">Its usual name.</param>
/// <param name="Values">From 0 to 100, in the order of the texts.</param>
internal sealed record TextScores(string Name, string Title, double[] Values)
{
    private const int Resamples = 2000, Seed = 1;

    public double Mean => Values.Average();

    /// <summary>The 95 % interval of the mean, by resampling the texts.</summary>
    public Interval Interval => Statistics.PercentileInterval(Statistics.BootstrapMeans(Values, Resamples, Seed));

    /// <summary>How much better each text is here than with another system.</summary>
    public TextScores Minus(TextScores other) => this with { Values = [.. Values.Zip(other.Values, (a, b) => a - b)] };
}

/// <summary>What texts are worth beside their references.</summary>
internal sealed record TextReport(IReadOnlyList<CorpusScore> Corpus, IReadOnlyList<TextScores> Means)
{
    /// <summary>The name of the mean that says how many texts are right.</summary>
    public const string ExactMatch = "exact_match";

    /// <summary>
    /// Scores predictions: BLEU, chrF and TER as sacrebleu, ROUGE as rouge-score, exact match and F1 as SQuAD or, in Japanese, JSQuAD.
    /// </summary>
    public static TextReport Of(
        IReadOnlyList<Prediction> predictions, AnswerLanguage language, IProgress<ProgressReport> progress,
        CancellationToken cancellationToken)
    {
        bool japanese = language == AnswerLanguage.Japanese;
        var rouge = japanese ? RougeTokenizer.Characters : RougeTokenizer.Words;
        string[] texts = [.. predictions.Select(p => p.Text)];
        IReadOnlyList<string>[] references = [.. predictions.Select(p => p.References)];
        int done = 0;
        var answers = Each((text, right) => AnswerScore.Of(text, right, language));
        TextScores[] means =
        [
            Rouge("rouge1", "ROUGE-1", (text, right) => RougeScore.NGram(text, right, 1, rouge)),
            Rouge("rouge2", "ROUGE-2", (text, right) => RougeScore.NGram(text, right, 2, rouge)),
            Rouge("rougeL", "ROUGE-L", (text, right) => RougeScore.LongestCommon(text, right, rouge)),
            new(ExactMatch, "exact match", [.. answers.Select(score => 100 * score.Exact)]),
            new("f1", "F1", [.. answers.Select(score => 100 * score.F1)]),
        ];
        var bleu = new BleuOptions { Tokenizer = japanese ? BleuTokenizer.Character : BleuTokenizer.V13a };
        var ter = new TranslationEditRateOptions { Normalized = japanese, AsianSupport = japanese };
        CorpusScore[] corpus =
        [
            Whole("bleu", "BLEU", () => Bleu.Corpus(texts, references, bleu).Score),
            Whole("chrf", "chrF", () => ChrF.Corpus(texts, references)),
            Whole("ter", "TER", () => TranslationEditRate.Corpus(texts, references, ter).Score),
        ];
        return new TextReport(corpus, means);

        TextScores Rouge(string name, string title, Func<string, string, PrecisionRecall> score)
            => new(name, title, Each((text, right) => 100 * RougeScore.Best(right, one => score(text, one)).F1));

        T[] Each<T>(Func<string, IReadOnlyList<string>, T> score)
        {
            var scores = new T[texts.Length];
            for (int i = 0; i < texts.Length; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                scores[i] = score(texts[i], references[i]);
            }

            Report();
            return scores;
        }

        CorpusScore Whole(string name, string title, Func<double> score)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var whole = new CorpusScore(name, title, score());
            Report();
            return whole;
        }

        void Report() => progress.Report(new ProgressReport("metrics", ++done, 7));
    }
}
