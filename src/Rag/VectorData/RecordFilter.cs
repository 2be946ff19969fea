using System.Collections;
using System.Linq.Expressions;
using System.Reflection;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.VectorData.ProviderServices;
using Microsoft.Extensions.VectorData.ProviderServices.Filter;

namespace Kotonoha.Rag.VectorData;

/// <summary>
/// A filter over records as it is written in C#. What is an equality or a membership is looked up; the rest is run on what these leave,
/// with the property's values in the place of the record's properties.
/// </summary>
/// <remarks>
/// Values are compared by value: arrays by their elements, and what a dynamic record holds as the type that it is compared with. A
/// comparison with null is false, as it is for nullable types.
/// </remarks>
internal sealed class RecordFilter : FilterTranslatorBase
{
    // Compiling takes as long as so many rows take without.
    private const int CompiledRows = 2000;

    private static readonly MethodInfo Equality = typeof(RecordValues).GetMethod(nameof(RecordValues.AreEqual))!;
    private static readonly MethodInfo Member =
        typeof(RecordFilter).GetMethod(nameof(IsMember), BindingFlags.NonPublic | BindingFlags.Static)!;
    private static readonly MethodInfo Value = typeof(Row).GetMethod(nameof(Row.Get))!;

    private readonly List<RecordColumn> _columns = [];
    private readonly List<(RecordColumn Column, List<object?> Values)> _lookups = [];
    private readonly Expression<Func<Row, bool>>? _rest;

    public RecordFilter(LambdaExpression filter, CollectionModel model)
    {
        var body = PreprocessFilter(filter, model, new FilterPreprocessingOptions());
        var row = Expression.Parameter(typeof(Row), "row");
        var rewriter = new Rewriter(this, row);
        Expression? rest = null;
        foreach (var part in Conjuncts(body))
        {
            if (part is ConstantExpression { Value: true } || TryLookup(part))
                continue;
            var rewritten = rewriter.VisitCondition(part);
            rest = rest is null ? rewritten : Expression.AndAlso(rest, rewritten);
        }

        _rest = rest is null ? null : Expression.Lambda<Func<Row, bool>>(rest, row);
    }

    /// <summary>The properties whose values the filter looks at.</summary>
    public IReadOnlyList<RecordColumn> Columns => _columns;

    /// <summary>The slots of the records that pass, or null where all do.</summary>
    /// <param name="records">The records; the filter's columns have been loaded.</param>
    public SlotSet? Evaluate(RecordTable records)
    {
        if (_lookups.Count == 0 && _rest is null)
            return null;
        var sets = new List<SlotSet> { records.Live };
        foreach (var (column, values) in _lookups)
        {
            var found = values.Distinct().Select(value => records.Find(column, value)).ToList();
            sets.Add(found.Count == 1 ? found[0] : SlotSet.Of(found.SelectMany(set => set.StartingAt(0).ToArray()).Distinct().Order()));
        }

        var candidates = SlotSet.Intersect(sets);
        if (_rest is null)
            return candidates;
        var passes = _rest.Compile(preferInterpretation: candidates.Count < CompiledRows);
        var row = new Row([.. _columns.Select(records.Values)]);
        var accepted = new SlotSet();
        foreach (int slot in candidates.StartingAt(0))
        {
            row.Slot = slot;
            if (passes(row))
                accepted.Add(slot);
        }

        return accepted;
    }

    private static IEnumerable<Expression> Conjuncts(Expression expression)
        => expression is BinaryExpression { NodeType: ExpressionType.AndAlso } both
            ? Conjuncts(both.Left).Concat(Conjuncts(both.Right))
            : [expression];

    private static bool IsMember(IEnumerable? items, object? item)
    {
        foreach (var candidate in items ?? Array.Empty<object>())
            if (RecordValues.AreEqual(candidate, item))
                return true;
        return false;
    }

    /// <summary>
    /// Takes on property = constant, constants.Contains(property), property.Contains(constant), and a property that is a bool.
    /// </summary>
    private bool TryLookup(Expression part)
    {
        switch (part)
        {
            case BinaryExpression { NodeType: ExpressionType.Equal } equal:
                return Lookup(equal.Left, Constant(equal.Right)) || Lookup(equal.Right, Constant(equal.Left));
            case MethodCallExpression call when TryMatchContains(call, out var source, out var item):
                if (Constant(source) is [IEnumerable values and not string])
                    return Lookup(item, [.. values.Cast<object?>()]);
                return Lookup(source, Constant(item), elements: true);
            case UnaryExpression { NodeType: ExpressionType.Not } not:
                return Lookup(not.Operand, not.Type == typeof(bool) ? [false] : null);
            default:
                return Lookup(part, part.Type == typeof(bool) ? [true] : null);
        }

        bool Lookup(Expression side, List<object?>? values, bool elements = false)
        {
            // Null, whole arrays and numbers that stand for several are compared one by one.
            if (values is null || values.Exists(value => value is null or (IEnumerable and not string) || !RecordValues.IsExact(value))
                || !TryBind(side, out var property)
                || RecordValues.ElementType(property.Type) is not null != elements)
                return false;
            _lookups.Add((Column(property), values));
            return true;
        }

        static List<object?>? Constant(Expression expression)
            => expression switch
            {
                ConstantExpression constant => [constant.Value],
                UnaryExpression { NodeType: ExpressionType.Convert, Operand: ConstantExpression { Value: { } value } } => [value],
                NewArrayExpression array when array.Expressions.All(item => item is ConstantExpression)
                    => [array.Expressions.Select(item => ((ConstantExpression)item).Value).ToArray()],
                _ => null,
            };
    }

    private bool TryBind(Expression expression, out PropertyModel property)
    {
        // The base refuses a cast to another type than the property's.
        if (expression is UnaryExpression { NodeType: ExpressionType.Convert } convert && KeepsValue(convert))
            return TryBind(convert.Operand, out property);
        bool isBound = TryBindProperty(expression, out var bound);
        property = bound!;
        return isBound;
    }

    // To object, to a nullable type, or to a wider number.
    private static bool KeepsValue(UnaryExpression convert)
    {
        var from = Nullable.GetUnderlyingType(convert.Operand.Type) ?? convert.Operand.Type;
        var to = Nullable.GetUnderlyingType(convert.Type) ?? convert.Type;
        return to.IsAssignableFrom(from)
            || (Type.GetTypeCode(from) >= TypeCode.SByte && Type.GetTypeCode(from) < Type.GetTypeCode(to)
                && Type.GetTypeCode(to) <= TypeCode.Decimal && !(IsSigned(from) && IsUnsigned(to)));

        static bool IsSigned(Type type)
            => Type.GetTypeCode(type) is TypeCode.SByte or TypeCode.Int16 or TypeCode.Int32 or TypeCode.Int64;

        static bool IsUnsigned(Type type)
            => Type.GetTypeCode(type) is TypeCode.Byte or TypeCode.UInt16 or TypeCode.UInt32 or TypeCode.UInt64;
    }

    private RecordColumn Column(PropertyModel property)
    {
        var column = RecordColumn.Of(property);
        if (!_columns.Contains(column))
            _columns.Add(column);
        return column;
    }

    /// <summary>A record's values of the filter's columns.</summary>
    internal sealed class Row(IReadOnlyList<object?>[] columns)
    {
        public int Slot { get; set; }

        public T? Get<T>(int column, string name)
            => columns[column][Slot] is { } value ? value is T typed ? typed : (T?)RecordValues.ConvertTo(value, typeof(T), name) : default;
    }

    private sealed class Rewriter(RecordFilter filter, ParameterExpression row) : ExpressionVisitor
    {
        /// <summary>A condition: a nullable one that is null is false.</summary>
        public Expression VisitCondition(Expression node)
        {
            var visited = Visit(node)!;
            return visited.Type == typeof(bool?) ? Expression.Coalesce(visited, Expression.Constant(false)) : visited;
        }

        public override Expression? Visit(Expression? node)
            => node is not null && filter.TryBind(node, out var property)
                ? OrDefault(Read(node.Type, property), node.Type)
                : base.Visit(node);

        protected override Expression VisitBinary(BinaryExpression node)
        {
            if (node.NodeType is ExpressionType.AndAlso or ExpressionType.OrElse)
                return Expression.MakeBinary(node.NodeType, VisitCondition(node.Left), VisitCondition(node.Right));
            bool equality = node.NodeType is ExpressionType.Equal or ExpressionType.NotEqual;
            if (!equality && node.NodeType is not (ExpressionType.LessThan or ExpressionType.LessThanOrEqual or ExpressionType.GreaterThan
                or ExpressionType.GreaterThanOrEqual))
                return base.VisitBinary(node);
            var (left, right) = (Operand(node.Left), Operand(node.Right));
            if (equality)
            {
                Expression equal = Expression.Call(
                    Equality, Expression.Convert(left, typeof(object)), Expression.Convert(right, typeof(object)));
                return node.NodeType == ExpressionType.Equal ? equal : Expression.Not(equal);
            }

            return Expression.MakeBinary(node.NodeType, Nullable(left), Nullable(right), liftToNull: false, node.Method);
        }

        protected override Expression VisitUnary(UnaryExpression node)
            => node.NodeType == ExpressionType.Not && node.Type == typeof(bool)
                ? Expression.Not(VisitCondition(node.Operand))
                : base.VisitUnary(node);

        protected override Expression VisitMethodCall(MethodCallExpression node)
        {
            if (TryMatchContains(node, out var source, out var item))
                return Expression.Call(
                    Member,
                    Expression.Convert(Operand(source), typeof(IEnumerable)),
                    Expression.Convert(Operand(item), typeof(object)));
            var target = Visit(node.Object);
            var arguments = node.Arguments.Select(argument => Visit(argument)!).ToArray();
            // A list that is not there has no elements.
            for (int i = 0; i < arguments.Length; i++)
                if (RecordValues.ElementType(arguments[i].Type) is { } element && arguments[i] is not ConstantExpression)
                    arguments[i] = Expression.Coalesce(
                        arguments[i],
                        arguments[i].Type.IsArray ? Expression.NewArrayInit(element) : Expression.New(arguments[i].Type));
            Expression call = Expression.Call(target, node.Method, arguments);
            return target is null || target.Type.IsValueType
                ? call
                : Expression.Condition(Expression.ReferenceEqual(target, Expression.Constant(null)), Expression.Default(call.Type), call);
        }

        // What stands for a property keeps its null here.
        private Expression Operand(Expression node) => filter.TryBind(node, out var property) ? Read(node.Type, property) : Visit(node)!;

        private Expression Read(Type type, PropertyModel property)
        {
            var column = filter.Column(property);
            var read = type.IsValueType && System.Nullable.GetUnderlyingType(type) is null
                ? typeof(Nullable<>).MakeGenericType(type)
                : type;
            return Expression.Call(
                row,
                Value.MakeGenericMethod(read),
                Expression.Constant(filter._columns.IndexOf(column)),
                Expression.Constant(property.ModelName));
        }

        private static Expression OrDefault(Expression read, Type type)
            => read.Type == type ? read : Expression.Coalesce(read, Expression.Default(type));

        private static Expression Nullable(Expression operand)
            => operand.Type.IsValueType && System.Nullable.GetUnderlyingType(operand.Type) is null
                ? Expression.Convert(operand, typeof(Nullable<>).MakeGenericType(operand.Type))
                : operand;
    }
}

/// <summary>A property whose values are kept in memory: the name that it is stored under, or the key.</summary>
/// <param name="Name">The name.</param>
/// <param name="KeyType">The key's type, or null for other properties.</param>
internal sealed record RecordColumn(string Name, Type? KeyType = null)
{
    public static RecordColumn Of(PropertyModel property)
        => property is KeyPropertyModel ? new("", property.Type) : new(property.StorageName);
}
