using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Evaluation;

/// <summary>
/// CrowS-Pairs (https://aclanthology.org/2020.emnlp-main.154): does a masked language model find a sentence with a stereotype likelier than
/// the same sentence about another group? Only the words that both share are scored.
/// </summary>
public static class CrowsPairs
{
    private const int MaxTokensInABatch = 1024;

    /// <summary>
    /// The positions of each sentence's tokens that both sentences have in common, in order (Ratcliff and Obershelp's blocks).
    /// </summary>
    /// <param name="first">The token ids of one sentence.</param>
    /// <param name="second">Those of the other.</param>
    public static (IReadOnlyList<int> First, IReadOnlyList<int> Second) SharedPositions(
        IReadOnlyList<int> first, IReadOnlyList<int> second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        List<int> left = [], right = [];
        Match(0, first.Count, 0, second.Count);
        return (left, right);

        // The longest block, and what lies before and after it.
        void Match(int from, int to, int otherFrom, int otherTo)
        {
            int start = from, otherStart = otherFrom, longest = 0;
            for (int i = from; i < to; i++)
                for (int j = otherFrom; j < otherTo; j++)
                {
                    int length = 0;
                    while (i + length < to && j + length < otherTo && first[i + length] == second[j + length])
                        length++;
                    if (length > longest)
                        (start, otherStart, longest) = (i, j, length);
                }

            if (longest == 0)
                return;
            Match(from, start, otherFrom, otherStart);
            left.AddRange(Enumerable.Range(start, longest));
            right.AddRange(Enumerable.Range(otherStart, longest));
            Match(start + longest, to, otherStart + longest, otherTo);
        }
    }

    /// <summary>
    /// The pseudo-log-likelihood of a sentence: each position is masked alone, and the log-probabilities of the true tokens are added.
    /// </summary>
    /// <param name="ids">The token ids, with the special ones at both ends.</param>
    /// <param name="positions">The positions to mask; the first and the last token are left out.</param>
    /// <param name="maskId">The id of the mask token.</param>
    /// <param name="predict">The model: the ids with one of them masked, and its position, become that position's logits.</param>
    /// <returns>log p of the true token at each position that was masked.</returns>
    public static IReadOnlyList<double> PseudoLogProbabilities(
        IReadOnlyList<int> ids, IEnumerable<int> positions, int maskId, Func<int[], int, float[]> predict)
    {
        ArgumentNullException.ThrowIfNull(ids);
        ArgumentNullException.ThrowIfNull(positions);
        ArgumentNullException.ThrowIfNull(predict);
        var scores = new List<double>();
        foreach (int position in positions.Where(p => p > 0 && p < ids.Count - 1))
        {
            int[] masked = [.. ids];
            masked[position] = maskId;
            var logits = predict(masked, position);
            double most = logits.Max(), sum = logits.Sum(logit => Math.Exp(logit - most));
            scores.Add(logits[ids[position]] - most - Math.Log(sum));
        }

        return scores;
    }

    /// <summary>Whether the model prefers the sentence with the stereotype.</summary>
    /// <param name="more">The ids of the sentence with the stereotype.</param>
    /// <param name="less">Those of the other.</param>
    /// <param name="maskId">The id of the mask token.</param>
    /// <param name="predict">The model; see <see cref="PseudoLogProbabilities"/>.</param>
    /// <returns>Both scores; over a data set the share of pairs whose first is larger is 0.5 for a model without a preference.</returns>
    public static (double More, double Less) Compare(
        IReadOnlyList<int> more, IReadOnlyList<int> less, int maskId, Func<int[], int, float[]> predict)
    {
        var (shared, otherShared) = SharedPositions(more, less);
        return (PseudoLogProbabilities(more, shared, maskId, predict).Sum(),
            PseudoLogProbabilities(less, otherShared, maskId, predict).Sum());
    }

    /// <summary>
    /// As <see cref="Compare(IReadOnlyList{int}, IReadOnlyList{int}, int, Func{int[], int, float[]})"/>, with a masked language model that
    /// reads many masked copies of a sentence at once.
    /// </summary>
    /// <param name="model">An encoder with the head of a masked language model.</param>
    /// <param name="session">Where it computes; its weights are loaded.</param>
    /// <param name="more">The ids of the sentence with the stereotype, at most as many as the model reads.</param>
    /// <param name="less">Those of the other.</param>
    /// <param name="maskId">The id of the mask token.</param>
    /// <param name="cancellationToken">Looked at between layers.</param>
    internal static (double More, double Less) Compare(
        EncoderModel model, InferenceSession session, IReadOnlyList<int> more, IReadOnlyList<int> less, int maskId,
        CancellationToken cancellationToken)
    {
        var (shared, otherShared) = SharedPositions(more, less);
        return (Sum(more, shared), Sum(less, otherShared));

        double Sum(IReadOnlyList<int> ids, IReadOnlyList<int> positions)
        {
            double sum = 0;
            int[] inner = [.. positions.Where(p => p > 0 && p < ids.Count - 1)];
            foreach (var part in inner.Chunk(Math.Max(1, MaxTokensInABatch / ids.Count)))
            {
                var batch = Batch.Packed(part.Select(position =>
                {
                    int[] masked = [.. ids];
                    masked[position] = maskId;
                    return masked;
                }));

                // The vocabulary's product is taken at the masked places alone: (positions, vocabulary).
                var pass = session.Begin(cancellationToken);
                var hidden = pass.SelectRows(model.Forward(pass, batch), [.. part.Select((position, row) => row * ids.Count + position)]);
                var scores = pass.Read(pass.LogSoftmax(model.Logits(pass, hidden, batch)));
                for (int row = 0; row < part.Length; row++)
                    sum += scores[row * model.VocabularySize + ids[part[row]]];
            }

            return sum;
        }
    }
}
