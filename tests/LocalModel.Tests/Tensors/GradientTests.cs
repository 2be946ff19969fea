using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Layers;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Tests.Tensors;

/// <summary>The derivative of every operation against central differences, both in double precision.</summary>
public sealed class GradientTests
{
    private const float Step = 1f / 1024;

    public static TheoryData<string> Names => [.. OperationCases.All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void The_derivative_agrees_with_finite_differences(string name)
    {
        using var pass = new CpuTrainingPass(new ReferenceBackend<double>(), seed: 5);
        using var inputs = new Inputs { Pass = pass };
        Check(pass, () => OperationCases.All[name](inputs), () => inputs.Parameters, everyNth: 1);
    }

    [Fact]
    public void A_detached_tensor_has_the_same_values_and_passes_no_gradient()
    {
        using var x = new Parameter("x", 2, 3);
        ((ReadOnlySpan<float>)[1, -2, 3, 0.5f, 4, -1]).CopyTo(x.Values);
        using var backend = new CpuBackend(1);
        using var pass = new CpuTrainingPass(backend);
        using var gradients = new Gradients([x]);
        pass.Begin(0);
        var whole = pass.FromParameter(x);
        var detached = pass.Detach(whole);
        Assert.Equal(x.Values.ToArray(), pass.Read(detached).ToArray());
        pass.Backward(pass.Sum(pass.Multiply(whole, detached)), gradients);
        Assert.Equal(x.Values.ToArray(), gradients[x].ToArray());
    }

    [Fact]
    public void A_clamp_passes_the_gradient_on_its_bounds_and_none_outside()
    {
        using var x = new Parameter("x", 1, 5);
        ((ReadOnlySpan<float>)[-2, -1, 0, 1, 2]).CopyTo(x.Values);
        using var backend = new CpuBackend(1);
        using var pass = new CpuTrainingPass(backend);
        using var gradients = new Gradients([x]);
        pass.Begin(0);
        var clamped = pass.Clamp(pass.FromParameter(x), -1, 1);
        Assert.Equal([-1, -1, 0, 1, 1], pass.Read(clamped).ToArray());
        pass.Backward(pass.Sum(clamped), gradients);
        Assert.Equal([0, 1, 1, 1, 0], gradients[x].ToArray());
    }

    [Theory]
    [InlineData(true, 0f)]
    [InlineData(false, 0.2f)]
    public void The_derivative_of_a_whole_gpt2_agrees_with_finite_differences(bool tied, float dropout)
    {
        var config = new Gpt2Config
        {
            VocabularySize = 11,
            ContextLength = 9,
            Width = 8,
            Layers = 2,
            Heads = 2,
            TieWordEmbeddings = tied,
            EmbeddingDropout = dropout,
            AttentionDropout = dropout,
            ResidualDropout = dropout,
            InitializerRange = 0.4f,
        };
        using var model = Gpt2.Create(config, seed: 3);
        using var pass = new CpuTrainingPass(new ReferenceBackend<double>(), seed: 5);
        var batch = Batch.Packed([[1, 4, 2, 10, 3], [7, 0, 7]]);
        Check(pass, () => pass.CrossEntropy(model.Logits(pass, model.Forward(pass, batch)), [4, 2, 10, 3, -100, 0, 7, 5]),
            () => model.Parameters, everyNth: 7);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void The_derivative_of_a_whole_transformer_agrees_with_finite_differences(bool shared, bool normalizeBefore)
    {
        var config = new MarianConfig
        {
            VocabularySize = 11,
            ContextLength = 9,
            Width = 8,
            EncoderLayers = 1,
            DecoderLayers = 2,
            EncoderHeads = 2,
            DecoderHeads = 2,
            EncoderFeedForwardWidth = 12,
            DecoderFeedForwardWidth = 12,
            ActivationFunction = "gelu",
            ShareEmbeddings = shared,
            TieWordEmbeddings = shared,
            LearnedPositions = normalizeBefore,
            NormalizeBefore = normalizeBefore,
            Dropout = 0.1f,
        };
        using var model = Marian.Create(config, seed: 3);
        CheckWhole(model);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_derivative_of_a_whole_t5_agrees_with_finite_differences(bool gated)
    {
        var config = new T5Config
        {
            VocabularySize = 11,
            Width = 8,
            HeadWidth = 3,
            FeedForwardWidth = 12,
            EncoderLayers = 2,
            DecoderLayers = 2,
            Heads = 2,
            RelativeBuckets = 4,
            RelativeMaxDistance = 6,
            Gated = gated,
            ActivationFunction = gated ? "gelu_new" : "silu",
            TieWordEmbeddings = gated,
            InitializerFactor = 0.5f,
        };
        using var model = T5.Create(config, seed: 3);
        CheckWhole(model);
    }

    private static void CheckWhole(EncoderDecoderModel model)
    {
        using var pass = new CpuTrainingPass(new ReferenceBackend<double>(), seed: 5);
        Batch sources = Batch.Packed([[1, 4, 2, 10, 3, 6], [7, 0, 7]]), targets = Batch.Packed([[0, 5, 1], [0, 9, 8, 2]]);
        Check(
            pass,
            () =>
            {
                var encoded = new EncodedSources(model.Encode(pass, sources), sources);
                return pass.CrossEntropy(model.Logits(pass, model.Decode(pass, targets, encoded)), [5, 1, 3, 9, 8, -100, 2]);
            },
            () => model.Parameters,
            everyNth: 7);
    }

    private static void Check(CpuTrainingPass pass, Func<Tensor> compute, Func<IReadOnlyList<Parameter>> parameters, int everyNth)
    {
        // A fixed weight for each output makes one number of them; different weights, so that no error cancels.
        Tensor Weighted()
        {
            pass.Begin(1);
            var output = compute();
            var weights = new float[output.Length];
            for (int i = 0; i < weights.Length; i++)
                weights[i] = MathF.Sin(1 + 0.7f * i);
            return pass.Sum(pass.Multiply(output, pass.Constant(weights, output.Rows, output.Columns)));
        }

        var loss = Weighted();
        using var gradients = new Gradients(parameters());
        pass.Backward(loss, gradients);
        double largest = 0;
        foreach (var parameter in parameters())
        {
            for (int i = 0; i < parameter.Length; i += everyNth)
            {
                float middle = parameter.Values[i], above = middle + Step, below = middle - Step;
                parameter.Values[i] = above;
                double high = pass.ReadScalar(Weighted());
                parameter.Values[i] = below;
                double low = pass.ReadScalar(Weighted());
                parameter.Values[i] = middle;
                double difference = (high - low) / ((double)above - below), derivative = gradients[parameter][i];
                Assert.True(
                    Math.Abs(difference - derivative) <= 2e-5 * (1 + Math.Abs(difference)),
                    $"{parameter.Name}[{i}]: derivative {derivative}, finite difference {difference}");
                largest = Math.Max(largest, Math.Abs(derivative));
            }
        }

        Assert.True(largest > 1e-3, "no derivative is different from zero");
    }
}
