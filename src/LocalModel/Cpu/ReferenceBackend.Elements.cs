using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

internal unsafe partial class ReferenceBackend<T>
{
    private const double GeluCubic = 0.044715;
    private const double QuickGeluFactor = 1.702;
    private static readonly double RootTwoOverPi = Math.Sqrt(2 / Math.PI);
    private static readonly double RootHalf = Math.Sqrt(0.5);
    private static readonly double RootTwoPi = Math.Sqrt(2 * Math.PI);

    internal override void Binary(BinaryOperation operation, View a, View b, View output)
    {
        for (int r = 0; r < a.Rows; r++)
            for (int c = 0; c < a.Columns; c++)
            {
                T p = Row(a, r)[c], q = Spread(b, r, c);
                Row(output, r)[c] = operation switch
                {
                    BinaryOperation.Add => p + q,
                    BinaryOperation.Subtract => p - q,
                    BinaryOperation.Multiply => p * q,
                    BinaryOperation.Divide => p / q,
                    BinaryOperation.Minimum => T.Min(p, q),
                    _ => T.Max(p, q),
                };
            }
    }

    internal override void BinaryBackward(
        BinaryOperation operation, View a, View b, View outputGradient, View aGradient, bool accumulateA, View bGradient, bool accumulateB)
    {
        for (int r = 0; aGradient.Exists && r < a.Rows; r++)
            for (int c = 0; c < a.Columns; c++)
            {
                T g = Row(outputGradient, r)[c];
                T d = operation switch
                {
                    BinaryOperation.Multiply => g * Spread(b, r, c),
                    BinaryOperation.Divide => g / Spread(b, r, c),
                    BinaryOperation.Minimum => g * Share(Row(a, r)[c], Spread(b, r, c)),
                    BinaryOperation.Maximum => g * Share(Spread(b, r, c), Row(a, r)[c]),
                    _ => g,
                };
                Put(ref Row(aGradient, r)[c], d, accumulateA);
            }

        if (!bGradient.Exists)
            return;
        if (!accumulateB)
            Fill(bGradient, 0);
        for (int r = 0; r < a.Rows; r++)
            for (int c = 0; c < a.Columns; c++)
            {
                T g = Row(outputGradient, r)[c], p = Row(a, r)[c], q = Spread(b, r, c);
                Row(bGradient, b.Rows == 1 ? 0 : r)[b.Columns == 1 ? 0 : c] += operation switch
                {
                    BinaryOperation.Add => g,
                    BinaryOperation.Subtract => -g,
                    BinaryOperation.Multiply => g * p,
                    BinaryOperation.Divide => -g * p / (q * q),
                    BinaryOperation.Minimum => g * Share(q, p),
                    _ => g * Share(p, q),
                };
            }
    }

    internal override void Apply(ElementFunction function, float least, float most, View x, View output)
    {
        for (int r = 0; r < x.Rows; r++)
            for (int c = 0; c < x.Columns; c++)
                Row(output, r)[c] = function switch
                {
                    ElementFunction.Exp => T.Exp(Row(x, r)[c]),
                    ElementFunction.Log => T.Log(Row(x, r)[c]),
                    _ => T.Min(T.Max(Row(x, r)[c], Of(least)), Of(most)),
                };
    }

    internal override void ApplyBackward(
        ElementFunction function, float least, float most, View x, View output, View outputGradient, View xGradient, bool accumulate)
    {
        for (int r = 0; r < x.Rows; r++)
            for (int c = 0; c < x.Columns; c++)
            {
                T g = Row(outputGradient, r)[c], v = Row(x, r)[c];
                T d = function switch
                {
                    ElementFunction.Exp => g * Row(output, r)[c],
                    ElementFunction.Log => g / v,
                    _ => v >= Of(least) && v <= Of(most) ? g : T.Zero,
                };
                Put(ref Row(xGradient, r)[c], d, accumulate);
            }
    }

    internal override void Activate(Activation activation, View x, View output)
    {
        for (int r = 0; r < x.Rows; r++)
            for (int c = 0; c < x.Columns; c++)
                Row(output, r)[c] = Value(activation, Row(x, r)[c]);
    }

    internal override void ActivateBackward(Activation activation, View x, View outputGradient, View xGradient, bool accumulate)
    {
        for (int r = 0; r < x.Rows; r++)
            for (int c = 0; c < x.Columns; c++)
                Put(ref Row(xGradient, r)[c], Row(outputGradient, r)[c] * Slope(activation, Row(x, r)[c]), accumulate);
    }

    internal override void SoftCap(float cap, View x, View output)
    {
        T bound = Of(cap);
        for (int r = 0; r < x.Rows; r++)
            for (int c = 0; c < x.Columns; c++)
                Row(output, r)[c] = bound * T.Tanh(Row(x, r)[c] / bound);
    }

    internal override void SoftCapBackward(float cap, View x, View outputGradient, View xGradient, bool accumulate)
    {
        T bound = Of(cap);
        for (int r = 0; r < x.Rows; r++)
            for (int c = 0; c < x.Columns; c++)
            {
                T t = T.Tanh(Row(x, r)[c] / bound);
                Put(ref Row(xGradient, r)[c], Row(outputGradient, r)[c] * (T.One - t * t), accumulate);
            }
    }

    internal override void Gated(Activation activation, View gate, View up, View output)
    {
        for (int r = 0; r < gate.Rows; r++)
            for (int c = 0; c < gate.Columns; c++)
                Row(output, r)[c] = Value(activation, Row(gate, r)[c]) * Row(up, r)[c];
    }

    internal override void GatedBackward(
        Activation activation, View gate, View up, View outputGradient, View gateGradient, bool accumulateGate, View upGradient,
        bool accumulateUp)
    {
        for (int r = 0; r < gate.Rows; r++)
            for (int c = 0; c < gate.Columns; c++)
            {
                T g = Row(outputGradient, r)[c], x = Row(gate, r)[c];
                if (gateGradient.Exists)
                    Put(ref Row(gateGradient, r)[c], g * Row(up, r)[c] * Slope(activation, x), accumulateGate);
                if (upGradient.Exists)
                    Put(ref Row(upGradient, r)[c], g * Value(activation, x), accumulateUp);
            }
    }

    private protected static T Value(Activation activation, T x) => activation switch
    {
        Activation.None => x,
        Activation.Gelu => Of(0.5) * x * (T.One + Erf(x * Of(RootHalf))),
        Activation.GeluTanh => Of(0.5) * x * (T.One + T.Tanh(Of(RootTwoOverPi) * (x + Of(GeluCubic) * x * x * x))),
        Activation.QuickGelu => x * Sigmoid(Of(QuickGeluFactor) * x),
        Activation.Silu => x * Sigmoid(x),
        Activation.Relu => T.Max(x, T.Zero),
        Activation.ReluSquared => T.Max(x, T.Zero) * T.Max(x, T.Zero),
        Activation.Tanh => T.Tanh(x),
        Activation.Sigmoid => Sigmoid(x),
        Activation.Softplus => T.Max(x, T.Zero) + LogOnePlus(T.Exp(-T.Abs(x))),
        _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, "There is no such activation."),
    };

    private protected static T Slope(Activation activation, T x)
    {
        switch (activation)
        {
            case Activation.None:
                return T.One;
            case Activation.Gelu:
                return Of(0.5) * (T.One + Erf(x * Of(RootHalf))) + x * T.Exp(Of(-0.5) * x * x) / Of(RootTwoPi);
            case Activation.GeluTanh:
                T t = T.Tanh(Of(RootTwoOverPi) * (x + Of(GeluCubic) * x * x * x));
                return Of(0.5) * (T.One + t) + Of(0.5) * x * (T.One - t * t) * Of(RootTwoOverPi) * (T.One + Of(3 * GeluCubic) * x * x);
            case Activation.QuickGelu:
                T q = Sigmoid(Of(QuickGeluFactor) * x);
                return q + Of(QuickGeluFactor) * x * q * (T.One - q);
            case Activation.Silu:
                T s = Sigmoid(x);
                return s + x * s * (T.One - s);
            case Activation.Relu:
                return x > T.Zero ? T.One : T.Zero;
            case Activation.ReluSquared:
                return Of(2) * T.Max(x, T.Zero);
            case Activation.Tanh:
                T h = T.Tanh(x);
                return T.One - h * h;
            case Activation.Sigmoid:
                T g = Sigmoid(x);
                return g * (T.One - g);
            case Activation.Softplus:
                return Sigmoid(x);
            default:
                throw new ArgumentOutOfRangeException(nameof(activation), activation, "There is no such activation.");
        }
    }

    // What the smaller of two gets of the gradient of their minimum.
    private static T Share(T smaller, T larger) => smaller < larger ? T.One : smaller == larger ? Of(0.5) : T.Zero;

    private protected static T Sigmoid(T x)
    {
        T e = T.Exp(-T.Abs(x));
        return x >= T.Zero ? T.One / (T.One + e) : e / (T.One + e);
    }

    // log(1 + e) for 0 ≤ e ≤ 1 without losing a small e.
    private static T LogOnePlus(T e) => T.LogP1(e);

    private static T Erf(T x) => Of(ErrorFunction.Erf(double.CreateTruncating(x)));

    private static T Spread(View b, int row, int column) => Row(b, b.Rows == 1 ? 0 : row)[b.Columns == 1 ? 0 : column];
}
