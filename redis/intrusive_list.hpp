// Doubly linked lists whose nodes are part of the objects they hold: joining and leaving take no memory and
// no search, and an object that is destroyed leaves by itself. Tag tells the lists apart that one object may
// be in.
#pragma once

#include <utility>

namespace wallet_sync {

template <typename T, typename Tag>
class List;

template <typename Tag>
class Hook {
 public:
  Hook() = default;
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;
  ~Hook() { unlink(); }

  bool linked() const { return next_ != nullptr; }
  void unlink() {
    if (linked()) {
      previous_->next_ = next_;
      next_->previous_ = previous_;
      previous_ = next_ = nullptr;
    }
  }

 private:
  template <typename T, typename ListTag>
  friend class List;
  Hook* previous_ = nullptr;
  Hook* next_ = nullptr;
};

// Does not own what it holds. T derives from Hook<Tag>.
template <typename T, typename Tag>
class List {
 public:
  List() { end_.previous_ = end_.next_ = &end_; }
  List(const List&) = delete;
  List& operator=(const List&) = delete;
  ~List() {
    while (!empty()) {
      pop_front();
    }
    end_.previous_ = end_.next_ = nullptr;
  }

  bool empty() const { return end_.next_ == &end_; }
  // REQUIRES: not empty.
  T& front() { return static_cast<T&>(*end_.next_); }
  T& pop_front() {
    T& first = front();
    static_cast<Place&>(first).unlink();
    return first;
  }
  // REQUIRES of the next three: the object is in no list of this tag.
  void push_back(T& object) { insert(end_, object); }
  void push_front(T& object) { insert(*end_.next_, object); }
  // Before the first one from the back that `goes_before` says it need not pass.
  template <typename GoesBefore>
  void insert_from_back(T& object, GoesBefore goes_before) {
    Place* place = &end_;
    while (place->previous_ != &end_ && goes_before(object, static_cast<T&>(*place->previous_))) {
      place = place->previous_;
    }
    insert(*place, object);
  }

 private:
  using Place = Hook<Tag>;
  static void insert(Place& before, Place& node) {
    node.previous_ = before.previous_;
    node.next_ = &before;
    before.previous_->next_ = &node;
    before.previous_ = &node;
  }
  Place end_;
};

}  // namespace wallet_sync
