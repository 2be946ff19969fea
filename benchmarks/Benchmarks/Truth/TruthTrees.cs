using System.Globalization;
using System.Text;
using Kotonoha.Rag.Answering;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Trainers.FastTree;

namespace Kotonoha.Benchmarks.Truth;

/// <summary>
/// <c>truth-trees DATA OUT [--planted N] [DOCS QUESTIONS]...</c>: fits the trees of <c>AnswerTrees</c> (ML.NET's FastTree) on the best
/// candidates of tuning questions, of questions over planted facts of N seeds and of folders with questions of their own, and writes them.
/// Each fifth of the questions is judged by trees fitted on the other four; the slope and the bias make probabilities of that, and the
/// table that is printed counts it.
/// </summary>
internal static class TruthTrees
{
    private const int FirstPlantedSeed = 1001, Folds = 5;

    // What the trees say counts less than the linear model, which was looked at on text of more kinds.
    private const double Mix = 0.2;
    private const float FolderQuestionWeight = 6, UnanswerableWeight = 2, RivalWeight = 0.5f;
    private static readonly int[] Seeds = [101, 102, 103, 104, 105, 106, 107, 108, 109, 110];
    private static readonly double[] Thresholds = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];

    internal static async Task<int> RunAsync(string[] args)
    {
        int planted = int.Parse(TruthBench.Option(args, "--planted") ?? "50", CultureInfo.InvariantCulture);
        string[] folders = [.. args.Skip(2).Where((arg, i) => arg != "--planted" && args[i + 1] != "--planted")];
        var questions = new List<Judged>();
        foreach (int seed in Seeds)
            await AddAsync(questions, TuningQuestion.OfProseAsync(args[0], seed));
        for (int i = 0; i < planted; i++)
            await AddAsync(questions, TuningQuestion.OfPlantedAsync(FirstPlantedSeed + i));
        for (int i = 0; i + 1 < folders.Length; i += 2)
            await AddAsync(questions, TuningQuestion.OfFolderAsync(folders[i], folders[i + 1]));

        var judged = new List<(Judged Question, double LogOdds, Example Best)>();
        for (int fold = 0; fold < Folds; fold++)
        {
            var trees = Fit(questions.Where(question => question.Fold != fold));
            foreach (var question in questions.Where(question => question.Fold == fold && question.Candidates.Count > 0))
                judged.Add(question.Candidates.Select(each => (question, LogOdds: each.LogOdds + trees.Sum(each.Known), each))
                    .MaxBy(each => each.LogOdds));
        }

        var (slope, bias) = Calibrate(judged);
        foreach (var kind in judged.GroupBy(each => each.Question.Kind))
            foreach (var threshold in Thresholds)
                Console.WriteLine(Row(kind.Key, threshold,
                    [.. kind.Select(each => (each.Question, each.Best, 1 / (1 + Math.Exp(-(slope * each.LogOdds + bias)))))]));
        await File.WriteAllTextAsync(args[1], Written(FitModel(questions), slope, bias));
        Console.WriteLine($"{questions.Count} questions; {args[1]}: {new FileInfo(args[1]).Length / 1024} KB");
        return 0;
    }

    // Of planted facts the place is known; elsewhere the best candidate may answer in other words.
    private static async Task AddAsync(List<Judged> questions, IAsyncEnumerable<TuningQuestion> asked)
    {
        await foreach (var question in asked)
        {
            float weight = (question.Kind == TuningKind.Folder ? FolderQuestionWeight : 1)
                * (question.IsAnswerable ? 1 : UnanswerableWeight);
            questions.Add(new Judged(question.Kind, (int)(Fnv(question.Text) % Folds), question.IsAnswerable,
                [.. (question.Trace?.Candidates ?? []).Where(candidate => !candidate.IsOfAnother)
                    .OrderByDescending(candidate => candidate.Score).Take(AnswerFinder.Rivals).Select((candidate, i) => new Example
                    {
                        Known = candidate.TreeFeatures,
                        Features = Array.ConvertAll(candidate.TreeFeatures, value => (float)value),
                        IsGold = question.IsGold(candidate),
                        Label = question.Kind == TuningKind.Planted || i > 0 ? question.IsGold(candidate) : question.IsAnswerable,
                        Weight = weight * (i > 0 ? RivalWeight : 1),
                    })]));
        }
    }

    private static uint Fnv(string text) => text.Aggregate(2166136261, (hash, c) => (hash ^ c) * 16777619);

    private static FastTreeBinaryModelParameters FitModel(IEnumerable<Judged> questions)
    {
        var examples = questions.SelectMany(question => question.Candidates).ToList();
        var context = new MLContext(seed: 1);
        var schema = SchemaDefinition.Create(typeof(Example));
        schema[nameof(Example.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, examples[0].Features.Length);
        var options = new FastTreeBinaryTrainer.Options
        {
            NumberOfTrees = 300,
            NumberOfLeaves = 24,
            MinimumExampleCountPerLeaf = 20,
            LearningRate = 0.06,
            FeatureFraction = 0.5,
            ExampleWeightColumnName = nameof(Example.Weight),
        };
        var data = context.Data.LoadFromEnumerable(examples, schema);
        return context.BinaryClassification.Trainers.FastTree(options).Fit(data).Model.SubModel;
    }

    private static AnswerTrees Fit(IEnumerable<Judged> questions)
        => AnswerTrees.Read(new StringReader(Written(FitModel(questions), 1, 0)));

    // Logistic regression on one number, by Newton's method with steps that are halved until they help.
    private static (double Slope, double Bias) Calibrate(List<(Judged Question, double LogOdds, Example Best)> judged)
    {
        double slope = 0.1, bias = 0, loss = Loss(slope, bias);
        for (int step = 0; step < 50; step++)
        {
            double g0 = 0, g1 = 0, h00 = 1e-9, h01 = 0, h11 = 1e-9;
            foreach (var (_, x, best) in judged)
            {
                double p = 1 / (1 + Math.Exp(-(slope * x + bias))), error = p - (best.Label ? 1 : 0), weight = p * (1 - p);
                (g0, g1) = (g0 + error, g1 + error * x);
                (h00, h01, h11) = (h00 + weight, h01 + weight * x, h11 + weight * x * x);
            }

            double determinant = h00 * h11 - h01 * h01;
            double toBias = (h11 * g0 - h01 * g1) / determinant, toSlope = (h00 * g1 - h01 * g0) / determinant;
            for (double length = 1; length > 1e-6; length /= 2)
            {
                double less = Loss(slope - length * toSlope, bias - length * toBias);
                if (less >= loss)
                    continue;
                (slope, bias, loss) = (slope - length * toSlope, bias - length * toBias, less);
                break;
            }
        }

        return (slope, bias);

        double Loss(double a, double b)
            => judged.Sum(each => Math.Log(1 + Math.Exp(Math.Clamp((each.Best.Label ? -1 : 1) * (a * each.LogOdds + b), -700, 700))));
    }

    private static string Row(TuningKind kind, double threshold, List<(Judged Question, Example Best, double Probability)> judged)
    {
        var shown = judged.FindAll(each => each.Probability >= threshold);
        int answerable = judged.Count(each => each.Question.IsAnswerable);
        return string.Create(CultureInfo.InvariantCulture, $"{kind} {threshold:F2}: "
            + $"right {shown.Count(each => each.Question.IsAnswerable && each.Best.IsGold) / (double)answerable:F3}, "
            + $"wrong {shown.Count(each => each.Question.IsAnswerable && !each.Best.IsGold) / (double)answerable:F3} of {answerable}; "
            + $"made up {shown.Count(each => !each.Question.IsAnswerable) / (double)(judged.Count - answerable):F3} "
            + $"of {judged.Count - answerable}");
    }

    private static string Written(FastTreeBinaryModelParameters model, double slope, double bias)
    {
        var text = new StringBuilder();
        var ensemble = model.TrainedTreeEnsemble;
        text.Append(CultureInfo.InvariantCulture, $"{slope:R} {bias + slope * Mix * ensemble.Bias:R}\n");
        foreach (var (tree, weight) in ensemble.Trees.Zip(ensemble.TreeWeights))
        {
            var nodes = Enumerable.Range(0, tree.NumberOfNodes).Select(i => string.Create(CultureInfo.InvariantCulture,
                $"{tree.NumericalSplitFeatureIndexes[i]} {tree.NumericalSplitThresholds[i]:G7} {tree.LeftChild[i]} {tree.RightChild[i]}"));
            var leaves = tree.LeafValues.Select(value => (slope * Mix * weight * value).ToString("G4", CultureInfo.InvariantCulture));
            text.Append(CultureInfo.InvariantCulture, $"{string.Join(';', nodes)}|{string.Join(' ', leaves)}\n");
        }

        return text.ToString();
    }

    private sealed record Judged(TuningKind Kind, int Fold, bool IsAnswerable, List<Example> Candidates);

    private sealed class Example
    {
        internal double[] Known { get; init; } = [];

        internal bool IsGold { get; init; }

        internal double LogOdds => Known[0];

        public bool Label { get; init; }

        public float Weight { get; init; }

        public float[] Features { get; init; } = [];
    }
}
