using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

internal unsafe partial class ReferenceBackend<T>
{
    internal override void CrossEntropy(View logits, int* targets, View classWeights, CrossEntropyOptions options, View output)
    {
        T total = T.Zero;
        for (int r = 0; r < logits.Rows; r++)
        {
            T loss = targets[r] == options.IgnoreIndex
                ? T.Zero
                : RowLoss(Row(logits, r), logits.Columns, targets[r], classWeights, options.LabelSmoothing);
            if (options.Reduction == Reduction.None)
                *Row(output, r) = loss;
            total += loss;
        }

        if (options.Reduction == Reduction.Sum)
            *Row(output, 0) = total;
        else if (options.Reduction == Reduction.Mean)
            *Row(output, 0) = total * MeanFactor(targets, logits.Rows, classWeights, options);
    }

    internal override void CrossEntropyBackward(
        View logits, int* targets, View classWeights, CrossEntropyOptions options, View outputGradient, View logitsGradient,
        bool accumulate)
    {
        int classes = logits.Columns;
        T smoothing = Of(options.LabelSmoothing);
        T factor = options.Reduction == Reduction.Mean ? MeanFactor(targets, logits.Rows, classWeights, options) : T.One;
        T allWeights = Of(classes);
        if (classWeights.Exists)
        {
            allWeights = T.Zero;
            for (int c = 0; c < classes; c++)
                allWeights += ((T*)classWeights.Data)[c];
        }

        for (int r = 0; r < logits.Rows; r++)
        {
            T* row = Row(logits, r), d = Row(logitsGradient, r);
            bool ignored = targets[r] == options.IgnoreIndex;
            T g = ignored ? T.Zero : factor * *Row(outputGradient, options.Reduction == Reduction.None ? r : 0);
            T max = Max(row, classes), sum = T.Zero;
            for (int c = 0; c < classes; c++)
                sum += T.Exp(row[c] - max);
            T onTarget = ignored ? T.Zero : (T.One - smoothing) * ClassWeight(classWeights, targets[r]);
            T spread = smoothing / Of(classes);
            for (int c = 0; c < classes; c++)
            {
                // loss = (1−e) w[t] (lse − x[t]) + e/C Σ w[c] (lse − x[c])
                T p = T.Exp(row[c] - max) / sum;
                T slope = p * (onTarget + spread * allWeights) - spread * ClassWeight(classWeights, c);
                if (c == targets[r])
                    slope -= onTarget;
                Put(ref d[c], ignored ? T.Zero : g * slope, accumulate);
            }
        }
    }

    private protected static T MeanFactor(int* targets, int rows, View classWeights, CrossEntropyOptions options)
    {
        T counted = T.Zero;
        for (int r = 0; r < rows; r++)
            if (targets[r] != options.IgnoreIndex)
                counted += ClassWeight(classWeights, targets[r]);
        return counted > T.Zero ? T.One / counted : T.Zero;
    }

    private protected static T ClassWeight(View classWeights, int target) => classWeights.Exists ? ((T*)classWeights.Data)[target] : T.One;

    private static T RowLoss(T* row, int classes, int target, View classWeights, float labelSmoothing)
    {
        T max = Max(row, classes), log = LogOfExpSum(row, classes, max);
        T loss = (log - (row[target] - max)) * ClassWeight(classWeights, target);
        if (labelSmoothing == 0)
            return loss;
        T uniform = T.Zero;
        for (int c = 0; c < classes; c++)
            uniform += (log - (row[c] - max)) * ClassWeight(classWeights, c);
        return (T.One - Of(labelSmoothing)) * loss + Of(labelSmoothing) * uniform / Of(classes);
    }
}
