using System.Globalization;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training;

/// <summary>The settings of an optimiser; <see cref="AdamWOptions"/> is the default.</summary>
public abstract record OptimizerOptions
{
    private protected OptimizerOptions()
    {
    }

    /// <summary>The decay of tensors of two and more dimensions (embeddings too); the others have none.</summary>
    public double WeightDecay { get; init; }

    internal abstract Optimizer Create(TrainingSession session, IReadOnlyList<float>? rates);

    /// <summary>The name and all settings, by which a resumed run recognises its optimiser.</summary>
    internal string Described
    {
        get
        {
            // The records write their numbers as the culture has them.
            var culture = CultureInfo.CurrentCulture;
            try
            {
                CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
                return ToString();
            }
            finally
            {
                CultureInfo.CurrentCulture = culture;
            }
        }
    }

    internal virtual void Validate()
    {
        if (!(WeightDecay is >= 0 and < double.PositiveInfinity))
            throw new ArgumentOutOfRangeException(nameof(WeightDecay), WeightDecay, "WeightDecay must be at least 0 and finite.");
    }

    private protected static void RequireShare(double value, string name)
    {
        if (!(value is >= 0 and < 1))
            throw new ArgumentOutOfRangeException(name, value, $"{name} must be at least 0 and less than 1.");
    }
}

/// <summary>Stochastic gradient descent with momentum, as torch.optim.SGD.</summary>
public sealed record SgdOptions : OptimizerOptions
{
    /// <summary>How slowly the buffer of gradients forgets; 0 for none.</summary>
    public double Momentum { get; init; } = 0.9;

    /// <summary>What the buffer takes less of each gradient.</summary>
    public double Dampening { get; init; }

    /// <summary>Whether the step looks ahead (Nesterov).</summary>
    public bool Nesterov { get; init; }

    internal override Optimizer Create(TrainingSession session, IReadOnlyList<float>? rates)
        => new HostOptimizer(session, rates, WeightDecay, Momentum == 0 ? [] : ["momentum_buffer"], Step);

    internal override void Validate()
    {
        base.Validate();
        RequireShare(Momentum, nameof(Momentum));
    }

    private void Step(in HostStep s)
    {
        for (int i = 0; i < s.Weights.Length; i++)
        {
            double g = s.Gradient[i] + s.WeightDecay * s.Weights[i];
            if (Momentum != 0)
            {
                ref float buffer = ref s.States[0][i];
                buffer = (float)(s.Step == 1 ? g : Momentum * buffer + (1 - Dampening) * g);
                g = Nesterov ? g + Momentum * buffer : buffer;
            }

            s.Weights[i] -= (float)(s.Rate * g);
        }
    }
}

/// <summary>Adam with the decay in the gradient (Kingma and Ba 2015), and with AMSGrad's maximum (Reddi et al. 2018).</summary>
public sealed record AdamOptions : OptimizerOptions
{
    /// <summary>How slowly the mean of the gradients forgets.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>How slowly the mean of the squared gradients forgets.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>What is added to the denominator.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Whether the decay is taken off the weights (AdamW) instead of being added to the gradient.</summary>
    public bool Decoupled { get; init; }

    /// <summary>Whether the denominator never falls (AMSGrad).</summary>
    public bool Amsgrad { get; init; }

    internal override Optimizer Create(TrainingSession session, IReadOnlyList<float>? rates)
        => new HostOptimizer(session, rates, WeightDecay, Amsgrad ? ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"] : ["exp_avg", "exp_avg_sq"],
            Step);

    internal override void Validate()
    {
        base.Validate();
        RequireShare(Beta1, nameof(Beta1));
        RequireShare(Beta2, nameof(Beta2));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Epsilon);
    }

    private void Step(in HostStep s)
    {
        double correction1 = 1 - Math.Pow(Beta1, s.Step), correction2 = Math.Sqrt(1 - Math.Pow(Beta2, s.Step));
        float[] first = s.States[0], second = s.States[1];
        for (int i = 0; i < s.Weights.Length; i++)
        {
            double g = s.Gradient[i], w = s.Weights[i];
            if (Decoupled)
                w *= 1 - s.Rate * s.WeightDecay;
            else
                g += s.WeightDecay * w;
            first[i] = (float)(Beta1 * first[i] + (1 - Beta1) * g);
            second[i] = (float)(Beta2 * second[i] + (1 - Beta2) * g * g);
            double square = Amsgrad ? s.States[2][i] = Math.Max(s.States[2][i], second[i]) : second[i];
            s.Weights[i] = (float)(w - s.Rate / correction1 * first[i] / (Math.Sqrt(square) / correction2 + Epsilon));
        }
    }
}

/// <summary>Adagrad (Duchi et al. 2011): the step falls with the sum of all squared gradients.</summary>
public sealed record AdagradOptions : OptimizerOptions
{
    /// <summary>What is added to the denominator.</summary>
    public double Epsilon { get; init; } = 1e-10;

    internal override Optimizer Create(TrainingSession session, IReadOnlyList<float>? rates)
        => new HostOptimizer(session, rates, WeightDecay, ["sum"], Step);

    private void Step(in HostStep s)
    {
        var sum = s.States[0];
        for (int i = 0; i < s.Weights.Length; i++)
        {
            double g = s.Gradient[i] + s.WeightDecay * s.Weights[i];
            sum[i] += (float)(g * g);
            s.Weights[i] -= (float)(s.Rate * g / (Math.Sqrt(sum[i]) + Epsilon));
        }
    }
}

/// <summary>RMSprop (Hinton 2012) with momentum, as torch.optim.RMSprop.</summary>
public sealed record RmsPropOptions : OptimizerOptions
{
    /// <summary>How slowly the mean of the squared gradients forgets.</summary>
    public double Alpha { get; init; } = 0.99;

    /// <summary>What is added to the denominator.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>How slowly the buffer of steps forgets.</summary>
    public double Momentum { get; init; }

    internal override Optimizer Create(TrainingSession session, IReadOnlyList<float>? rates)
        => new HostOptimizer(session, rates, WeightDecay, ["square_avg", "momentum_buffer"], Step);

    private void Step(in HostStep s)
    {
        float[] square = s.States[0], buffer = s.States[1];
        for (int i = 0; i < s.Weights.Length; i++)
        {
            double g = s.Gradient[i] + s.WeightDecay * s.Weights[i];
            square[i] = (float)(Alpha * square[i] + (1 - Alpha) * g * g);
            buffer[i] = (float)(Momentum * buffer[i] + g / (Math.Sqrt(square[i]) + Epsilon));
            s.Weights[i] -= (float)(s.Rate * buffer[i]);
        }
    }
}

/// <summary>Lion (arXiv:2302.06675): the sign of a mix of momentum and gradient; a tenth of AdamW's rate suits it.</summary>
public sealed record LionOptions : OptimizerOptions
{
    /// <summary>What the step keeps of the momentum.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>How slowly the momentum forgets.</summary>
    public double Beta2 { get; init; } = 0.99;

    internal override Optimizer Create(TrainingSession session, IReadOnlyList<float>? rates)
        => new HostOptimizer(session, rates, WeightDecay, ["exp_avg"], Step);

    private void Step(in HostStep s)
    {
        var momentum = s.States[0];
        for (int i = 0; i < s.Weights.Length; i++)
        {
            double g = s.Gradient[i], mixed = Beta1 * momentum[i] + (1 - Beta1) * g;
            s.Weights[i] = (float)(s.Weights[i] * (1 - s.Rate * s.WeightDecay) - s.Rate * Math.Sign(mixed));
            momentum[i] = (float)(Beta2 * momentum[i] + (1 - Beta2) * g);
        }
    }
}

/// <summary>
/// Muon for matrices (Jordan et al. 2024): the momentum, made orthogonal by five Newton–Schulz steps; embeddings, heads and vectors go with
/// AdamW, as its authors do it.
/// </summary>
public sealed record MuonOptions : OptimizerOptions
{
    /// <summary>The coefficients of the Newton–Schulz iteration X ← aX + (bA + cA²)X with A = XXᵀ.</summary>
    private const float A = 3.4445f, B = -4.7750f, C = 2.0315f;

    private const float LeastNorm = 1e-7f;
    private const int Iterations = 5;

    /// <summary>How slowly the momentum forgets.</summary>
    public double Momentum { get; init; } = 0.95;

    /// <summary>Whether the step looks ahead.</summary>
    public bool Nesterov { get; init; } = true;

    /// <summary>
    /// Whether a step has the size that AdamW's would have (0.2 · √max(rows, columns)), so that both take one learning rate; otherwise
    /// √max(1, rows / columns), as first published.
    /// </summary>
    public bool MatchAdamW { get; init; } = true;

    /// <summary>The optimiser of embeddings, heads and vectors.</summary>
    public AdamWOptions Others { get; init; } = new();

    internal override Optimizer Create(TrainingSession session, IReadOnlyList<float>? rates)
    {
        var others = Others.HostRule();
        return new HostOptimizer(session, rates, WeightDecay, ["exp_avg", "exp_avg_sq"], (in HostStep s) =>
        {
            if (IsMatrix(s.Parameter))
                Step(in s);
            else
                others(in s);
        })
        {
            DecayOf = p => p.Shape.Length < 2 ? 0 : IsMatrix(p) ? WeightDecay : Others.WeightDecay,
        };
    }

    internal override void Validate()
    {
        base.Validate();
        RequireShare(Momentum, nameof(Momentum));
        Others.Validate();
    }

    /// <summary>The matrix with all its singular values near one: (rows, columns) in place.</summary>
    internal static void Orthogonalize(Span<float> matrix, int rows, int columns, InferenceSession session)
    {
        var pass = session.Begin();
        var x = pass.Constant(matrix, rows, columns);
        double squares = 0;
        foreach (float value in matrix)
            squares += (double)value * value;
        x = pass.Scale(x, (float)(1 / Math.Max(Math.Sqrt(squares), LeastNorm)));

        // Of the two products the smaller one is taken.
        bool tall = rows > columns;
        for (int i = 0; i < Iterations; i++)
        {
            var gram = tall ? pass.MatMul(x, x, transposeA: true) : pass.MatMul(x, x, transposeB: true);
            var polynomial = pass.Add(pass.Scale(gram, B), pass.Scale(pass.MatMul(gram, gram), C));
            x = pass.Add(pass.Scale(x, A), tall ? pass.MatMul(x, polynomial) : pass.MatMul(polynomial, x));
        }

        pass.Read(x).CopyTo(matrix);
    }

    // Tables of vectors by id, and heads, are not maps between spaces of the same kind.
    private static bool IsMatrix(Parameter parameter)
        => parameter.Shape.Length == 2 && !parameter.Name.Contains("embed", StringComparison.Ordinal)
            && !parameter.Name.EndsWith("wte.weight", StringComparison.Ordinal)
            && !parameter.Name.EndsWith("wpe.weight", StringComparison.Ordinal)
            && !parameter.Name.EndsWith("lm_head.weight", StringComparison.Ordinal)
            && parameter.Name is not "model.shared.weight" and not "shared.weight";

    private void Step(in HostStep s)
    {
        var momentum = s.States[0];
        var update = new float[momentum.Length];
        for (int i = 0; i < update.Length; i++)
        {
            momentum[i] = (float)(Momentum * momentum[i] + (1 - Momentum) * s.Gradient[i]);
            update[i] = Nesterov ? (float)((1 - Momentum) * s.Gradient[i] + Momentum * momentum[i]) : momentum[i];
        }

        int rows = s.Parameter.Shape[0], columns = s.Parameter.Shape[1];
        Orthogonalize(update, rows, columns, s.Session.Evaluation);
        double adjust = MatchAdamW ? 0.2 * Math.Sqrt(Math.Max(rows, columns)) : Math.Sqrt(Math.Max(1, (double)rows / columns));
        float decay = (float)(1 - s.Rate * s.WeightDecay), step = (float)(s.Rate * adjust);
        for (int i = 0; i < update.Length; i++)
            s.Weights[i] = s.Weights[i] * decay - step * update[i];
    }
}

/// <summary>Changes weights by their gradients.</summary>
/// <param name="session">What holds the parameters and their gradients.</param>
internal abstract class Optimizer(TrainingSession session)
{
    private const string StepPrefix = "step.";

    /// <summary>The number of steps taken.</summary>
    public long StepCount { get; protected set; }

    protected TrainingSession Session { get; } = session;

    /// <summary>Changes the weights by one step.</summary>
    /// <param name="learningRate">The learning rate of this step.</param>
    /// <param name="gradientScale">What every gradient is multiplied by first: the factor of gradient clipping.</param>
    public abstract void Step(double learningRate, float gradientScale = 1);

    /// <summary>Adds states and step under PyTorch's names: <c>exp_avg.NAME</c>, …, <c>step.NAME</c>.</summary>
    public virtual void Save(SafetensorsWriter writer)
    {
        foreach (var parameter in Session.Parameters)
            writer.Add(StepPrefix + parameter.Name, new float[] { StepCount }, 1);
    }

    /// <summary>Restores what <see cref="Save"/> wrote.</summary>
    /// <exception cref="SafetensorsException">A state is missing or of another size.</exception>
    public virtual void Load(SafetensorsFile file)
    {
        long? steps = null;
        Span<float> step = stackalloc float[1];
        foreach (var parameter in Session.Parameters)
        {
            RequireCount(file, StepPrefix + parameter.Name, 1);
            file.Read(StepPrefix + parameter.Name, step);
            if (step[0] < 0 || step[0] != MathF.Truncate(step[0]) || (steps is not null && steps != (long)step[0]))
                throw new SafetensorsException(file.Path, null,
                    $"'{StepPrefix}{parameter.Name}' is no step count, or another one than that of the other parameters.");
            steps = (long)step[0];
        }

        StepCount = steps ?? 0;
    }

    protected static float[] Read(SafetensorsFile file, string name, int count)
    {
        RequireCount(file, name, count);
        var values = new float[count];
        file.Read(name, values);
        return values;
    }

    private static void RequireCount(SafetensorsFile file, string name, int count)
    {
        if (file[name].Count != count)
            throw new SafetensorsException(file.Path, null,
                $"tensor '{name}' has {file[name].Count} elements, the model has {count}.");
    }
}

/// <summary>One parameter in one step of an optimiser that the host computes.</summary>
internal readonly ref struct HostStep
{
    public required TrainingSession Session { get; init; }

    public required Parameter Parameter { get; init; }

    /// <summary>The step, from 1.</summary>
    public required long Step { get; init; }

    public required double Rate { get; init; }

    public required double WeightDecay { get; init; }

    public required Span<float> Weights { get; init; }

    /// <summary>The gradient after clipping.</summary>
    public required ReadOnlySpan<float> Gradient { get; init; }

    public required float[][] States { get; init; }
}

/// <summary>The rule of an optimiser for one parameter.</summary>
internal delegate void HostRule(in HostStep step);

/// <summary>An optimiser whose rule the host computes, parameter by parameter, on any device.</summary>
/// <param name="session">What holds the parameters and their gradients.</param>
/// <param name="rates">A factor of the learning rate for each parameter, or null.</param>
/// <param name="weightDecay">The decay of tensors of two and more dimensions.</param>
/// <param name="stateNames">The names of what it remembers of each parameter.</param>
/// <param name="rule">The rule.</param>
internal sealed class HostOptimizer(
    TrainingSession session, IReadOnlyList<float>? rates, double weightDecay, string[] stateNames, HostRule rule) : Optimizer(session)
{
    private readonly float[][][] _states =
        [.. session.Parameters.Select(p => stateNames.Select(_ => new float[p.Length]).ToArray())];

    /// <summary>The decay of a parameter.</summary>
    public Func<Parameter, double> DecayOf { get; set; } = p => p.Shape.Length >= 2 ? weightDecay : 0;

    public override void Step(double learningRate, float gradientScale = 1)
    {
        StepCount++;
        int index = 0;
        Session.OnHost((parameter, weights, gradient) =>
        {
            if (gradientScale != 1)
                foreach (ref float value in gradient)
                    value *= gradientScale;
            rule(new HostStep
            {
                Session = Session,
                Parameter = parameter,
                Step = StepCount,
                Rate = learningRate * (rates?[index] ?? 1),
                WeightDecay = DecayOf(parameter),
                Weights = weights,
                Gradient = gradient,
                States = _states[index],
            });
            index++;
        });
    }

    public override void Save(SafetensorsWriter writer)
    {
        for (int p = 0; p < _states.Length; p++)
            for (int s = 0; s < stateNames.Length; s++)
            {
                var values = _states[p][s];
                var parameter = Session.Parameters[p];
                writer.Add($"{stateNames[s]}.{parameter.Name}", parameter, () => values);
            }

        base.Save(writer);
    }

    public override void Load(SafetensorsFile file)
    {
        base.Load(file);
        for (int p = 0; p < _states.Length; p++)
            for (int s = 0; s < stateNames.Length; s++)
                _states[p][s] = Read(file, $"{stateNames[s]}.{Session.Parameters[p].Name}", _states[p][s].Length);
    }
}
