using System.Globalization;
using System.Text;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// Regression trees over what is known of a candidate (<see cref="AnswerFeatures.Judge"/>): what the linear model cannot say, such as
/// that a value of the right form answers if the thing is named and only one is there. Fitted by <c>benchmarks truth-trees</c>.
/// </summary>
internal sealed class AnswerTrees
{
    // Not fitted: where the default threshold of 0.2 lies. Headings, names and cells that say which thing is meant make a made-up answer
    // look surer, so that more is asked of it there.
    private const double Caution = 0.6, StructuredCaution = 2.2;

    private const string Resource = "Kotonoha.Rag.Answering.answer-trees.txt";

    private static readonly Lazy<AnswerTrees> Loaded = new(() =>
    {
        using var stream = typeof(AnswerTrees).Assembly.GetManifestResourceStream(Resource)!;
        using var reader = new StreamReader(stream, Encoding.ASCII);
        return Read(reader);
    });

    private readonly double _slope, _bias;
    private readonly Tree[] _trees;

    private AnswerTrees(double slope, double bias, Tree[] trees) => (_slope, _bias, _trees) = (slope, bias, trees);

    /// <summary>The trees of this library.</summary>
    internal static AnswerTrees Default => Loaded.Value;

    /// <summary>
    /// Reads trees: the slope and the bias, then a tree a line. A node is "feature threshold lower upper", nodes are divided by ';', and
    /// behind '|' stand the values of the leaves; a child below 0 is the complement of a leaf's number.
    /// </summary>
    internal static AnswerTrees Read(TextReader reader)
    {
        double[] head = Numbers(reader.ReadLine()!);
        var trees = new List<Tree>();
        while (reader.ReadLine() is { Length: > 0 } line)
        {
            var halves = line.Split('|');
            double[][] nodes = [.. halves[0].Split(';', StringSplitOptions.RemoveEmptyEntries).Select(Numbers)];
            trees.Add(new Tree(
                [.. nodes.Select(node => (int)node[0])], [.. nodes.Select(node => (float)node[1])],
                [.. nodes.Select(node => (int)node[2])], [.. nodes.Select(node => (int)node[3])], Numbers(halves[1])));
        }

        return new AnswerTrees(head[0], head[1], [.. trees]);
    }

    /// <summary>
    /// The probability that a candidate answers. What speaks against it counts once more: the trees weigh it as the questions of the fit
    /// ask, and a sentence about another thing is not to be shown where others are asked.
    /// </summary>
    /// <param name="candidate">The candidate, whose probability is that of the linear model.</param>
    internal double Probability(Candidate candidate)
        => candidate.Share / (1 + Math.Exp(-(_slope * AnswerModel.LogOdds(candidate.Probability) + _bias + Sum(candidate.TreeFeatures)
            - (candidate.IsStructured ? StructuredCaution : Caution))));

    /// <summary>The sum of the leaves that a candidate falls into.</summary>
    internal double Sum(double[] features)
    {
        double sum = 0;
        foreach (var tree in _trees)
        {
            int at = tree.Features.Length == 0 ? -1 : 0;
            while (at >= 0)
                at = (float)features[tree.Features[at]] <= tree.Thresholds[at] ? tree.Lower[at] : tree.Upper[at];
            sum += tree.Leaves[~at];
        }

        return sum;
    }

    private static double[] Numbers(string text)
        => [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(each => double.Parse(each, CultureInfo.InvariantCulture))];

    private sealed record Tree(int[] Features, float[] Thresholds, int[] Lower, int[] Upper, double[] Leaves);
}
