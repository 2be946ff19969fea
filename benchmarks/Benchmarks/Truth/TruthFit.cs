using System.Globalization;
using Kotonoha.Rag.Answering;

namespace Kotonoha.Benchmarks.Truth;

/// <summary>
/// <c>truth-fit DATA [DOCS QUESTIONS]... [--planted N]</c>: fits the two linear models of <c>AnswerModel</c> on tuning questions and
/// prints their weights. Ranking: softmax over the candidates of a question, gold those that contain an answer. Answering: logistic
/// regression on the best candidate, 1 where the question's paragraph is indexed (over planted facts, where the candidate holds the fact);
/// the unanswerable ones come from the left-out articles and, half as many, from paragraphs held out of the indexed articles. Folders of
/// documents with questions of their own join in, each question several times, since there are few of them. <c>--planted N</c>, last, adds
/// the questions over planted facts of N seeds.
/// </summary>
internal static class TruthFit
{
    private const int FolderQuestionWeight = 6;

    // A made-up answer is worse than none.
    private const int UnanswerableWeight = 8;
    private static readonly int[] Seeds = [101, 102, 103, 104, 105, 106];
    private static readonly int[] PlantedSeeds = [1001, 1002, 1003, 1004, 1005, 1006];

    internal static async Task<int> RunAsync(string[] args)
    {
        var samples = new List<Sample>();
        foreach (int seed in Seeds)
            await AddAsync(samples, TuningQuestion.OfProseAsync(args[0], seed));
        if (TruthBench.Option(args, "--planted") is { } planted)
        {
            foreach (int seed in PlantedSeeds.Take(int.Parse(planted, CultureInfo.InvariantCulture)))
                await AddAsync(samples, TuningQuestion.OfPlantedAsync(seed));
            args = [.. args.TakeWhile(arg => arg != "--planted")];
        }

        for (int i = 1; i + 1 < args.Length; i += 2)
            await AddAsync(samples, TuningQuestion.OfFolderAsync(args[i], args[i + 1]));

        var random = new Random(1);
        var ranking =
            FitRanking(
                [.. samples.Where(s => s.Answerable).Select(s => s.Candidates).Where(c => c.Exists(x => x.Gold) && c.Exists(x => !x.Gold))],
                random);
        Print("ranking", ranking);
        var rows = samples.Select(s => (Features: s.Answer(ranking), Answerable: s.IsRight(ranking))).Where(r => r.Features is not null)
            .Select(r => (r.Features!.Value.Features, r.Features.Value.Share, r.Answerable)).ToList();
        var (weights, bias) = FitAnswering(rows, random);
        Print("answering", weights);
        Print("bias", [bias]);
        return 0;
    }

    private static async Task AddAsync(List<Sample> samples, IAsyncEnumerable<TuningQuestion> questions)
    {
        await foreach (var question in questions)
        {
            if (question.Trace is not { } trace)
                continue;
            bool isPlanted = question.Kind == TuningKind.Planted;
            int times = question.Kind == TuningKind.Folder ? FolderQuestionWeight
                : isPlanted && !question.IsAnswerable && trace.Candidates is [{ IsStructured: true }, ..] ? UnanswerableWeight
                : 1;
            var sample = new Sample(
                question.IsAnswerable,
                isPlanted,
                [.. trace.Candidates.Where(c => !c.IsOfAnother)
                    .Select(c => (AnswerModel.Placed(c.Features, c.IsStructured), c.Penalty, question.IsGold(c)))],
                trace.AnswerFeaturesUnder);
            samples.AddRange(Enumerable.Repeat(sample, times));
        }
    }

    private sealed record Sample(bool Answerable, bool IsPlanted, List<(double[] Features, double Penalty, bool Gold)> Candidates,
        Func<double[], (double[] Features, double Share)?> Answer)
    {
        // Of planted facts the place is known, so that a wrong best candidate counts as wrong; elsewhere others may answer too.
        internal bool IsRight(double[] ranking)
            => Answerable && (!IsPlanted || Candidates.Count == 0
                || Candidates.MaxBy(each => Dot(ranking, each.Features) - each.Penalty).Gold);
    }

    private static double[] FitRanking(List<List<(double[] Features, double Penalty, bool Gold)>> questions, Random random)
    {
        var weights = new double[questions[0][0].Features.Length];
        double rate = 0.3;
        for (int epoch = 0; epoch < 30; epoch++, rate *= 0.9)
        {
            foreach (int at in Shuffled(questions.Count, random))
            {
                var candidates = questions[at];
                var scores = candidates.Select(c => Dot(weights, c.Features) - c.Penalty).ToArray();
                double max = scores.Max();
                var masses = scores.Select(s => Math.Exp(s - max)).ToArray();
                double all = masses.Sum(), gold = masses.Where((_, i) => candidates[i].Gold).Sum();
                var gradient = new double[weights.Length];
                for (int i = 0; i < masses.Length; i++)
                {
                    double push = (candidates[i].Gold && gold > 0 ? masses[i] / gold : 0) - masses[i] / all;
                    for (int k = 0; k < weights.Length; k++)
                        gradient[k] += push * candidates[i].Features[k];
                }

                for (int k = 0; k < weights.Length; k++)
                    weights[k] += rate * (gradient[k] - 1e-4 * weights[k]);
            }
        }

        return weights;
    }

    private static (double[] Weights, double Bias) FitAnswering(
        List<(double[] Features, double Share, bool Answerable)> rows, Random random)
    {
        var weights = new double[rows[0].Features.Length];
        double bias = 0, rate = 0.1;
        for (int epoch = 0; epoch < 60; epoch++, rate *= 0.93)
        {
            foreach (int at in Shuffled(rows.Count, random))
            {
                var (features, share, answerable) = rows[at];
                double sigmoid = 1 / (1 + Math.Exp(-(bias + Dot(weights, features))));
                // The slope of the log of share · sigmoid, or of 1 less that.
                double error = answerable ? 1 - sigmoid : -share * sigmoid * (1 - sigmoid) / (1 - share * sigmoid);
                bias += rate * error;
                for (int k = 0; k < weights.Length; k++)
                    weights[k] += rate * (error * features[k] - 2e-5 * weights[k]);
            }
        }

        return (weights, bias);
    }

    private static int[] Shuffled(int count, Random random)
    {
        var order = Enumerable.Range(0, count).ToArray();
        random.Shuffle(order);
        return order;
    }

    private static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();

    private static void Print(string name, double[] values)
        => Console.WriteLine($"{name}: [{string.Join(", ", values.Select(v => v.ToString("0.00", CultureInfo.InvariantCulture)))}]");
}
