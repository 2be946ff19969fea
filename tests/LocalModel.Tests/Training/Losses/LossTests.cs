using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training.Losses;

namespace Kotonoha.LocalModel.Tests.Training.Losses;

/// <summary>Laws that losses keep; their values and gradients are compared with references in the carried fixtures.</summary>
public sealed class LossTests : IDisposable
{
    private readonly CpuTrainingPass _pass = new(new ReferenceBackend<float>());

    public LossTests() => _pass.Begin(0);

    public void Dispose() => _pass.Dispose();

    [Theory]
    [InlineData(-1e-6f)]
    [InlineData(-1e-3f)]
    [InlineData(-0.693147f)]
    [InlineData(-5f)]
    [InlineData(-30f)]
    [InlineData(-90f)]
    public void The_logarithm_of_one_minus_an_exponential_keeps_its_digits(float x)
    {
        double got = _pass.ReadScalar(_pass.LogOneMinusExp(_pass.Column([x])));
        double want = x > -0.5 ? Math.Log(-(x + x * (double)x / 2 + Math.Pow(x, 3) / 6)) : Math.Log(1 - Math.Exp(x));
        Assert.Equal(want, got, 2e-6 * Math.Max(1, Math.Abs(want)));
    }

    [Fact]
    public void Sequences_of_any_length_become_rows_whose_masked_sums_are_theirs()
    {
        var batch = new Batch();
        foreach (int length in (int[])[3, 1, 2])
            batch.Append(new int[length]);
        var rows = TokenLogProbabilities.ToRows(_pass, _pass.Column([1, 2, 3, 4, 5, 6]), batch);
        var mask = _pass.Constant([1, 1, 1, 1, 0, 0, 1, 1, 0], 3, 3);
        Assert.Equal([6, 4, 11], _pass.Values(TokenLogProbabilities.SequenceSum(_pass, rows, mask)));
        Assert.Equal([2, 4, 5.5f], _pass.Values(TokenLogProbabilities.SequenceMean(_pass, rows, mask)));
    }

    [Fact]
    public void Every_loss_on_pairs_is_no_larger_where_the_policy_prefers_the_chosen_one_more()
    {
        // Of the others, some want a given distance, one sorts over the batch, and one looks at the chosen completion alone.
        foreach (var kind in (PreferenceLoss[])[PreferenceLoss.Sigmoid, PreferenceLoss.Hinge, PreferenceLoss.Conservative,
            PreferenceLoss.BcoPair, PreferenceLoss.ApoZero, PreferenceLoss.SigmoidNorm, PreferenceLoss.Robust])
            Assert.True(Loss(kind, -1, -3) < Loss(kind, -2, -2), kind.ToString());

        double Loss(PreferenceLoss kind, float chosen, float rejected) => _pass.ReadScalar(PreferenceLosses.Pairs(
            _pass,
            new PreferenceInputs
            {
                Policy = _pass.Constant([chosen, 0, rejected, 0], 2, 2),
                Reference = _pass.Column([-2, -2]),
                Mask = [1, 0, 1, 0],
            },
            new PreferenceOptions { Terms = [(kind, 1)], Beta = 0.5f }).Loss);
    }

    [Fact]
    public void A_policy_that_is_the_reference_has_the_dpo_loss_of_a_coin()
    {
        var inputs = new PreferenceInputs { Policy = _pass.Column([-3, -7]), Reference = _pass.Column([-3, -7]), Mask = [1, 1] };
        Assert.Equal(Math.Log(2), _pass.ReadScalar(PreferenceLosses.Pairs(_pass, inputs, new PreferenceOptions()).Loss), 1e-6);
    }

    [Fact]
    public void The_jensen_shannon_divergence_is_symmetric_zero_of_equals_and_at_most_log_two()
    {
        Tensor a = _pass.Constant([1, 0, -1, 40, 0, 0], 2, 3), b = _pass.Constant([0, 0.5f, 2, 0, 0, 40], 2, 3);
        double forth = _pass.ReadScalar(DistillationLosses.JensenShannon(_pass, a, b));
        double back = _pass.ReadScalar(DistillationLosses.JensenShannon(_pass, b, a));
        Assert.Equal(forth, back, 1e-6);
        Assert.InRange(forth, 0.3, Math.Log(2));
        Assert.Equal(0, _pass.ReadScalar(DistillationLosses.JensenShannon(_pass, a, a)), 1e-6);
        Assert.Equal(0, _pass.ReadScalar(DistillationLosses.KullbackLeibler(_pass, b, b, 3)), 1e-6);
    }

    [Fact]
    public void A_setting_without_the_input_that_it_needs_is_refused()
    {
        var inputs = new PolicyInputs { Policy = _pass.Column([-1, -2]), Advantages = [1, -1], Mask = [1, 1] };
        Assert.Throws<ArgumentException>(() => PolicyLosses.Clipped(_pass, inputs, new PolicyOptions { KlWeight = 0.1f }));
        Assert.Throws<ArgumentException>(() => PolicyLosses.Clipped(_pass, inputs, new PolicyOptions { EntropyBonus = 0.1f }));
        Assert.Equal(0, _pass.ReadScalar(PolicyLosses.Clipped(_pass, inputs, new PolicyOptions()).Loss), 1e-6);
    }

    [Fact]
    public void Advantages_of_a_group_add_up_to_nothing_and_unscored_completions_have_none()
    {
        var advantages = GroupAdvantages.Normalized([1, 0, float.NaN, 0.5f, 3, 3, 3, 3], 4, AdvantageScale.Group);
        Assert.Equal(0, advantages[2]);
        Assert.Equal(0, advantages[..4].Sum(), 1e-5);
        Assert.All(advantages[4..], a => Assert.Equal(0, a));
        Assert.True(advantages[0] > advantages[3] && advantages[3] > advantages[1]);
        Assert.Throws<ArgumentException>(() => GroupAdvantages.Normalized([1, 2, 3], 2, AdvantageScale.None));
    }
}
