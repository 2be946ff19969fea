using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>
/// A language model that gives a text one number: score · hidden state of its last token. It is what human preferences are learned with
/// (reward model, arXiv:2203.02155), and a critic's shape.
/// </summary>
public sealed class RewardModel : IDisposable
{
    private const string HeadName = "lm_head.weight";

    /// <summary>Puts a body and a head together, which belong to this model from now on.</summary>
    internal RewardModel(CausalModel body, Parameter score)
    {
        Body = body;
        Score = score;
    }

    /// <summary>The language model without its head.</summary>
    public CausalModel Body { get; }

    /// <summary>The head: [1, width].</summary>
    internal Parameter Score { get; }

    /// <summary>The weights of both.</summary>
    internal IReadOnlyList<Parameter> Parameters
        => [.. Body.Parameters.Where(p => p.Name != HeadName), Score];

    /// <summary>A model over a language model's body, whose head is drawn anew.</summary>
    /// <param name="body">The language model; belongs to the reward model from now on.</param>
    /// <param name="seed">What the head is drawn from.</param>
    public static RewardModel Create(CausalModel body, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(body);
        var score = new Parameter("score.weight", 1, body.Width);
        ulong key = CounterRandom.Key(seed, 0, 0);
        for (int i = 0; i < score.Length; i++)
            score.Values[i] = (float)(CounterRandom.Normal(key, (uint)i) / Math.Sqrt(body.Width + 1));
        return new RewardModel(body, score);
    }

    /// <summary>The score of each text, from its last token: (sequences, 1).</summary>
    internal Tensor Scores(Pass pass, Batch batch)
        => pass.Linear(pass.Pool(Body.Forward(pass, batch), batch, Pooling.Last), Score);

    /// <inheritdoc/>
    public void Dispose()
    {
        Body.Dispose();
        Score.Dispose();
    }
}
